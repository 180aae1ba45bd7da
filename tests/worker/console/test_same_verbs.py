"""What tools can change the console can change, too, and the other way round; the command that a plan shows does the
same as its form. A verb that only one of them has is a bug; forms about jobs have their reason here.
"""

import html
import os
import re
import subprocess
from typing import NamedTuple

import pytest

from hookbus.worker import audit
from hookbus.worker.console.routes import ROUTES
from hookbus.worker.inventory.suspensions import KEY, Opened, encode, field
from tests.programs import BIN
from tests.wait import until
from tests.worker.builders import GROUP, TYPE
from tests.worker.cli.test_actions import CHANGING, commands
from tests.worker.commands import environment
from tests.worker.console.pages.test_plan import post
from tests.worker.console.serving import serving
from tests.worker.dead_letters import letter, store_letters, subscribe
from tests.worker.parked import park
from tests.worker.retained_events import hand_out, retain


class Does(NamedTuple):
    """Where the console plans an action, where it does it, and an example: the fields of the form before the plan."""

    plan: str
    run: str
    form: dict[str, str]


SAME = {
    "dlq redrive": Does("/plan", "/run", {"verb": "redrive", "type": TYPE}),
    "dlq discard": Does("/plan", "/run", {"verb": "discard", "type": TYPE}),
    "retries now": Does("/plan", "/run", {"verb": "now", "type": TYPE}),
    "retries dead-letter": Does("/plan", "/run", {"verb": "dead-letter", "type": TYPE}),
    "replay": Does("/plan", "/run", {"verb": "replay", "group": GROUP, "type": TYPE}),
    "pause": Does("/groups/{group}/pause", "/groups/{group}/pause", {"pattern": TYPE}),
    "resume": Does("/groups/{group}/resume", "/groups/{group}/resume", {"pattern": TYPE}),
    "forget": Does("/plan", "/run", {"verb": "forget", "group": GROUP}),
}
"""Command → what the console does in its place. Each has something to do in `busy`."""
UPLOADS = {"dlq import": "/import"}
"""Its file is beside the tool, or in the form; `test_imports` compares what they do."""
OTHER_PROGRAM = {"hookbus-ingest send": "/events/send"}
"""`test_sending` compares what they send: the tool posts as any sender does, and its events are no actions."""
CONSOLE_ONLY = {
    "/jobs/{id}/stop": "Ctrl-C stops a tool",
    "/jobs/{id}/go-on": "a tool is called again",
}
COUNTS = {"hash": "HLEN", "stream": "XLEN", "zset": "ZCARD", "set": "SCARD", "string": "STRLEN"}


def paths() -> set[str]:
    """The paths of all forms, with the names of their parts."""
    return {re.sub(r"\(\?P<(\w+)>.*?\)", r"{\1}", route.path.pattern) for route in ROUTES if route.method == "POST"}


def test_each_command_that_changes_something_has_a_form_and_each_form_a_command():
    assert SAME.keys() | UPLOADS.keys() == CHANGING.keys()
    assert {path for does in SAME.values() for path in (does.plan, does.run)} | CONSOLE_ONLY.keys() | {
        *UPLOADS.values(),
        *OTHER_PROGRAM.values(),
    } == paths()


async def busy(client):
    """A group that no worker runs, in which there is something for each verb."""
    await client.execute_command("FLUSHALL")
    await subscribe(client, TYPE)
    await retain(client, "wh_1")
    await hand_out(client)
    await store_letters(client, letter("wh_2"), letter("wh_3", type="batch.failed"))
    await park(client, "wh_4")
    await client.execute_command("HSET", KEY, field(GROUP, TYPE), encode(Opened("f", "E", 1, 2)))


async def traces(client):
    """What an action has left: its record, but for who, when and until when, and how much each key holds."""
    entry = await until(lambda: _ended(client))
    criteria = {name: values for name, values in entry.criteria.items() if name != "until"}
    names = [name.decode() for name in await client.execute_command("KEYS", "*")]
    held = {name: await _count(client, name) for name in names if ":job:" not in name}
    return (entry.verb, entry.matching, entry.moved, entry.gone, entry.result, entry.why, criteria), held


async def _ended(client):
    found = await audit.fetch(client, 1)
    return found[0] if found and found[0].result else None


async def _count(client, name):
    kind = (await client.execute_command("TYPE", name)).decode()
    return await client.execute_command(COUNTS[kind], name)


def confirmed(page: str, path: str) -> dict[str, str]:
    """The fields that the form of a plan sends when its first button is pressed."""
    form = page.partition(f'action="{path}"')[2].partition("</form>")[0]
    fields = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form)
    fields += re.findall(r'<button class="btn primary"[^>]* name="(\w+)" value="([^"]*)"', form)
    return {name: html.unescape(text) for name, text in fields}


@pytest.mark.parametrize("verb", SAME)
async def test_the_command_that_a_plan_shows_does_in_a_shell_what_its_form_does(client, redis_url, verb):
    does = SAME[verb]
    plan, run = (path.replace("{group}", GROUP) for path in (does.plan, does.run))
    await busy(client)
    async with serving(redis_url, console_role="operator") as session:
        status, page = await post(session, plan, **does.form, why="INC-7; it's ours")
        assert status == 200
        [command] = {html.unescape(text) for text in re.findall(rf"<code>(hookbus-worker {verb}[^<]*)</code>", page)}
        status, answer = await post(session, run, **confirmed(page, run), why="INC-7; it's ours")
        assert status == 303, answer
        by_form = await traces(client)
    await busy(client)
    env = environment(redis_url, PATH=f"{BIN}:{os.environ['PATH']}")
    command += " --yes" if "--yes" in commands()[verb] else ""  # what a person answers on a terminal
    done = subprocess.run(["sh", "-c", command], env=env, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert await traces(client) == by_form
    assert by_form[0][0] == verb
