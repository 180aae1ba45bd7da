"""Every form of the console that changes something stands in the audit as a command does, or changes nothing."""

import re

import pytest

from hookbus.shared.keys import HOME
from hookbus.worker import audit
from hookbus.worker.audit import Action
from hookbus.worker.console import job_store
from hookbus.worker.console.job_store import Confirmed, Numbers
from hookbus.worker.console.routes import ROUTES
from hookbus.worker.console.sending import fresh_id
from hookbus.worker.console.verbs import VERBS
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, TYPE
from tests.worker.commands import succeeded
from tests.worker.console.pages.test_plan import post
from tests.worker.console.receiving import receiving
from tests.worker.console.serving import read, serving
from tests.worker.console.test_app import dumps
from tests.worker.console.test_same_verbs import SAME, busy, confirmed
from tests.worker.dead_letters import letter, store_letters, subscribe

DISCARD = {"verb": "discard", "group": GROUP, "type": TYPE, "counted": "1", "why": "INC-7"}
READING = {"/plan", "/jobs/ID/stop"}
"""Forms that change no letter: a plan, and the end of what is recorded already."""
FILES = {"/import"}
"""Forms with a file; `test_imports` tries them."""
PAUSE = {"pattern": TYPE, "confirmed": "1", "why": "INC-7"}
SEND = {"type": TYPE, "id": fresh_id(), "confirmed": "1", "why": "INC-7"}
CHANGING = {
    "/run": DISCARD,
    "/events/send": SEND,
    "/jobs/ID/go-on": {},
    f"/groups/{GROUP}/pause": PAUSE,
    f"/groups/{GROUP}/resume": PAUSE,
}
"""Form → fields with which it does something in `bus`."""


def forms() -> set[str]:
    """The path of each form, of one job and one group."""
    parts = {"id": "ID", "group": GROUP}
    patterns = (route.path.pattern for route in ROUTES if route.method == "POST")
    return {re.sub(r"\(\?P<(\w+)>.*?\)", lambda match: parts[match[1]], pattern) for pattern in patterns}


def test_every_form_is_known_to_change_something_or_not():
    assert forms() == READING | FILES | set(CHANGING)


@pytest.fixture
async def bus(client, redis_url) -> str:
    """The id of a job whose console is gone, in a Redis where each form has something to do."""
    await subscribe(client, TYPE)
    await store_letters(client, letter("wh_1"))
    job = Action(verb="dlq discard", who="ann@host", via="console", matching=1, why="INC-7")
    job_id = await audit.begin(client, job)
    fields = {name: text for name, text in DISCARD.items() if name != "why"}
    await job_store.create(client, job_id, Confirmed(job, fields, 1, 0.0))
    await job_store.beat(client, job_id, Numbers(1))
    return job_id


def rows_of(page: str) -> list[str]:
    """The rows of the page of actions as on a wide screen, in words."""
    page = re.sub(r'<span class="slim.*?</span></span>', "", page)
    rows = [re.sub(r"<[^>]*>", " ", row).split() for row in re.findall(r"<tr><td.*?</tr>", page)]
    return [" ".join(row) for row in rows]


async def test_a_form_that_cannot_record_its_action_changes_nothing(client, redis_url, bus):
    await client.execute_command("SET", HOME.audit, "of another type")
    before = await dumps(client)
    async with receiving() as receiver, serving(redis_url, **receiver.settings) as session:
        for path, form in CHANGING.items():
            status, page = await post(session, path.replace("ID", bus), **form)
            assert (status, "Nothing was changed" in page) == (409, True), path
            assert await dumps(client) == before, path
        assert receiver.posts == []


async def test_what_each_form_and_a_command_did_stands_in_the_list_with_person_filter_numbers_and_reason(
    client, redis_url, bus
):
    async with receiving() as receiver, serving(redis_url, **receiver.settings) as session:
        for path, form in CHANGING.items():
            if not await client.execute_command("ZCARD", KEYS.dead(GROUP)):
                await store_letters(client, letter("wh_1"))
            answered = await client.execute_command("XLEN", HOME.audit)
            assert (await post(session, path.replace("ID", bus), **form))[0] == 303
            await until(lambda known=answered: _ended(client, known))
        succeeded(redis_url, "pause", GROUP, TYPE, "--why", "INC-8", SUDO_USER="bob")
        page = (await read(session, "/actions"))[1]
    by_command, *by_form = rows_of(page)
    assert re.search(rf"bob@\S+ tool pause --group {GROUP} --type {TYPE} INC-8 1 done$", by_command)
    assert len(by_form) == len(CHANGING) + 1
    which = (
        rf"(dlq discard|pause|resume) --group {GROUP} --type {TYPE}( --until \S+)?|send --type {TYPE} --id {SEND['id']}"
    )
    did = rf"console@\S+ console ({which}) INC-7 1 done$"
    assert len([row for row in by_form if re.search(did, row)]) == len(CHANGING)


async def _ended(client, known):
    """Whether an action has begun and ended since."""
    entries = await audit.fetch(client, 1)
    return await client.execute_command("XLEN", HOME.audit) > known and entries[0].result == "done"


@pytest.mark.parametrize("verb", VERBS)
async def test_a_move_of_each_verb_is_recorded_as_it_was_confirmed_or_does_not_happen(client, redis_url, verb):
    action = VERBS[verb].action
    does, why = SAME[action], {"why": "INC-7"}
    await busy(client)
    async with serving(redis_url, console_role="operator") as session:
        form = confirmed((await post(session, does.plan, **does.form))[1], does.run)
        await client.execute_command("SET", HOME.audit, "of another type")
        before = await dumps(client)
        status, page = await post(session, does.run, **form, **why)
        assert (status, "Nothing was changed" in page) == (409, True)
        assert await dumps(client) == before
        await client.execute_command("DEL", HOME.audit)
        assert (await post(session, does.run, **form, **why))[0] == 303
        await until(lambda: _ended(client, 0))
        page = (await read(session, "/actions"))[1]
    filtered = " ".join(f"--{name} {value}" for name, value in does.form.items() if name != "verb")
    [told] = rows_of(page)
    until_when = "" if VERBS[verb].is_whole else r"--until \S+ "
    did = rf"{action} {filtered} (--\S+ \S+ )*{until_when}INC-7 {form['counted']} done$"
    assert re.search(rf"console@\S+ console {did}", told)
