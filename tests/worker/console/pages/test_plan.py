"""Plans and runs of an operator: what is moved is what was planned, or nothing."""

import html
import re

import pytest

from hookbus.shared.keys import HOME
from hookbus.worker import audit
from hookbus.worker.console.pages import plan
from tests.wait import until
from tests.worker.builders import GROUP, KEYS
from tests.worker.console.serving import read, serving
from tests.worker.dead_letters import letter, store_letters, subscribe

OURS = {"Sec-Fetch-Site": "same-origin"}


async def post(session, path, **form):
    """Code and text of the answer to a form; the place of a redirect in place of a text."""
    async with session.post(path, data=form, headers=OURS, allow_redirects=False) as response:
        return response.status, response.headers.get("Location") or await response.text()


def form_of(page: str) -> dict[str, str]:
    """The hidden fields of a plan."""
    form = page.partition('action="/run"')[2].partition("</form>")[0]
    return {name: html.unescape(text) for name, text in re.findall(r'hidden" name="(\w+)" value="([^"]*)"', form)}


async def ended(client, place):
    """The audit's record of a job, once it has ended."""
    job_id = place.removeprefix("/jobs/")
    return await until(lambda: _ended(client, job_id))


async def _ended(client, job_id):
    return next((entry for entry in await audit.fetch(client, 50) if entry.begun == job_id), None)


async def names_left(client) -> set[str]:
    return {name.decode() for name in await client.execute_command("ZRANGE", KEYS.dead(GROUP), 0, -1)}


@pytest.fixture
async def bus(client, redis_url):
    """Letters of two types; the group subscribes to one of them."""
    await subscribe(client, "response.completed")
    letters = [letter(f"a_{i}", type="response.completed") for i in range(3)]
    await store_letters(client, *letters, *(letter(f"b_{i}", type="batch.failed") for i in range(2)))
    return redis_url


async def test_a_plan_counts_names_what_stays_and_changes_nothing(client, bus):
    async with serving(bus, console_role="operator") as session:
        status, page = await post(session, "/plan", verb="redrive", group=GROUP)
    assert status == 200
    assert "<h1>Redrive 3 dead letters</h1>" in page
    assert "2 of billing · batch.failed" in page
    assert "they stay dead letters" in page
    assert re.search(r"hookbus-worker dlq redrive --group billing --until 20\d\d-", page)
    assert len(await names_left(client)) == 5
    assert await client.execute_command("EXISTS", HOME.audit) == 0


async def test_a_discard_takes_what_was_planned_and_nothing_that_died_later(client, bus):
    async with serving(bus, console_role="operator") as session:
        _, page = await post(session, "/plan", verb="discard", type="response.completed")
        later = int(form_of(page)["until_ms"]) + 1
        await store_letters(client, *(letter(f"c_{i}", dead_lettered_at_ms=later) for i in range(5)))
        status, place = await post(session, "/run", **form_of(page), why="INC-7")
        assert status == 303
        entry = await ended(client, place)
        _, job = await read(session, place)
    assert await names_left(client) == {"b_0", "b_1", *(f"c_{i}" for i in range(5))}
    assert (entry.verb, entry.via, entry.moved, entry.matching, entry.why, entry.result) == (
        "dlq discard", "console", 3, 3, "INC-7", "done",
    )  # fmt: skip
    assert entry.criteria["type"] == ["response.completed"]
    assert "<h1>dlq discard: done</h1>" in job


async def test_a_redrive_moves_letters_to_their_group_and_leaves_unsubscribed_ones(client, bus):
    async with serving(bus, console_role="operator") as session:
        _, page = await post(session, "/plan", verb="redrive")
        _, place = await post(session, "/run", **form_of(page))
        entry = await ended(client, place)
    assert (entry.moved, await names_left(client)) == (3, {"b_0", "b_1"})
    assert await client.execute_command("XLEN", KEYS.redelivery("response.completed", GROUP)) == 3


async def test_a_letter_that_was_moved_meanwhile_is_said_to_be_gone_by_whom_and_its_form_changes_nothing(client, bus):
    async with serving(bus, console_role="operator") as session:
        _, page = await post(session, "/plan", verb="discard", group=GROUP, id="a_1")
        form = form_of(page)
        _, page = await post(session, "/plan", verb="discard", group=GROUP, id="a_1", since="9999d")
        assert (await post(session, "/run", **form_of(page), why="INC-7"))[0] == 303
        await until(lambda: _is_gone(client, "a_1"))
        answers = [await post(session, path, **form) for path in ("/run", "/plan")]
        answers.append(await read(session, f"/dead/{GROUP}/a_1"))
    for (status, page), expected in zip(answers, (409, 409, 404), strict=True):
        assert status == expected
        assert re.search(r"<b>Discarded</b> by console@\S+ at [^<]+ UTC: INC-7", page)
        assert ("Nothing was changed: no dead letter a_1" in page) == (expected == 409)
        assert f'href="/dead?group={GROUP}"' in page


@pytest.mark.parametrize("path", ["/plan", "/run"])
async def test_a_form_that_is_refused_stays_on_the_page_it_came_from_with_its_filter(client, bus, path):
    form = {"verb": "redrive", "group": GROUP, "type": "responses.completed", "since": "2h", "counted": "1"}
    async with serving(bus, console_role="operator") as session:
        status, page = await post(session, path, **form)
    assert status == 409
    page = html.unescape(page)
    assert "Nothing was changed: responses.completed matches no event type" in page
    assert "did you mean response.completed?" in page
    assert "<h1>Dead letters</h1>" in page
    assert "<option selected>billing</option>" in page
    assert 'name="type" value="responses.completed"' in page
    assert 'name="since" value="2h"' in page


async def test_letters_that_appear_of_a_moment_before_the_plan_are_counted_again_before_they_move(client, bus):
    async with serving(bus, console_role="operator") as session:
        _, page = await post(session, "/plan", verb="discard", type="response.completed")
        await store_letters(client, letter("late_1"), letter("late_2"))
        status, again = await post(session, "/run", **form_of(page), why="INC-7")
        assert (status, "Nothing was changed: 2 more came meanwhile" in again) == (409, True)
        assert len(await names_left(client)) == 7
        assert form_of(again) == form_of(page) | {"counted": "5", "plan": form_of(again)["plan"]}
        assert 'value="INC-7"' in again
        _, place = await post(session, "/run", **form_of(again))
        assert (await ended(client, place)).moved == 5
        status, page = await post(session, "/run", verb="discard")
        assert (status, "it was not counted before" in page) == (409, True)
    assert await names_left(client) == {"b_0", "b_1"}


async def test_a_plan_as_a_command_has_its_rate_reason_and_times(client, bus):
    async with serving(bus, console_role="operator") as session:
        form = {"verb": "discard", "type": "response.*", "since": "9999d", "rate": "20", "why": "it's INC-7"}
        _, page = await post(session, "/plan", **form)
        assert form_of(page)["since"].startswith("199")
    assert re.search(
        r"hookbus-worker dlq discard --type 'response.\*' --since 199[-\d]+T[\d:.]+Z --until 20[-\d]+T[\d:.]+Z"
        r""" --rate 20 --why 'it'"'"'s INC-7'<""",
        html.unescape(page),
    )


async def _is_gone(client, name):
    return name not in await names_left(client)


async def test_a_big_discard_wants_its_number_typed(client, bus, monkeypatch):
    monkeypatch.setattr(plan, "TYPE_ABOVE", 2)
    async with serving(bus, console_role="operator") as session:
        _, page = await post(session, "/plan", verb="discard")
        assert "Type 5 to confirm" in page
        for typed in ("", "4", "all"):
            status, again = await post(session, "/run", **form_of(page), typed=typed)
            assert (status, "Nothing was changed: type 5" in again) == (409, True)
            assert form_of(again) | {"plan": ""} == form_of(page) | {"plan": ""}
        assert len(await names_left(client)) == 5
        _, place = await post(session, "/run", **form_of(page), typed="5")
        assert (await ended(client, place)).moved == 5


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ({"verb": "redrive", "rate": "nan", "counted": "3"}, "the rate must be a number"),
        ({"verb": "redrive", "rate": "-1", "counted": "3"}, "the rate must be a number"),
        ({"verb": "redrive", "type": "video.completed"}, "nothing is left to move"),
        ({"verb": "explode"}, "'explode' is none of redrive, discard"),
        ({"verb": "discard", "until_ms": "soon"}, "is no number of milliseconds"),
        ({"verb": "discard", "group": "nobody"}, "no group nobody"),
        ({"verb": "discard", "reason": "withdrawal"}, "did you mean withdrawn?"),
        ({"verb": "discard", "since": "1h", "until": "2h"}, "later than until"),
    ],
)
async def test_a_form_that_makes_no_sense_changes_nothing(client, bus, form, problem):
    async with serving(bus, console_role="operator") as session:
        status, page = await post(session, "/run", **form)
    assert status in (400, 404, 409)
    assert problem in html.unescape(page)
    assert len(await names_left(client)) == 5


async def test_what_cannot_be_recorded_does_not_happen(client, bus):
    await client.execute_command("SET", HOME.audit, "another type")
    async with serving(bus, console_role="operator") as session:
        _, page = await post(session, "/plan", verb="discard")
        status, page = await post(session, "/run", **form_of(page))
    assert (status, "Nothing was changed" in page) == (409, True)
    assert len(await names_left(client)) == 5


async def test_a_stop_leaves_the_rest_and_a_stopping_console_does_so_too(client, bus):
    await store_letters(client, *(letter(f"d_{i}") for i in range(50)))
    async with serving(bus, console_role="operator") as session:
        jobs = []
        for _ in range(2):
            _, page = await post(session, "/plan", verb="redrive")
            jobs.append((await post(session, "/run", **form_of(page), rate="1"))[1])
        assert (await post(session, "/run", **form_of(page), rate="1")) == (303, jobs[1]), "a double click"
        _, page = await post(session, "/plan", verb="discard")
        status, page = await post(session, "/run", **form_of(page), rate="1")
        assert (status, "2 moves run already" in page) == (409, True)
        _, page = await read(session, jobs[0])
        assert "dlq redrive: running" in page
        assert (await post(session, f"{jobs[0]}/stop"))[0] == 303
        assert (await ended(client, jobs[0])).result == "stopped"
    assert (await ended(client, jobs[1])).result == "stopped"
    assert len(await names_left(client)) > 40


async def test_a_plan_of_the_same_letters_that_are_there_again_is_another_one_and_no_double_click(client, bus):
    filter_ = {"verb": "discard", "type": "response.completed", "until": "2023-11-15"}
    async with serving(bus, console_role="operator") as session:
        places = []
        for _ in range(2):
            _, page = await post(session, "/plan", **filter_)
            places.append((await post(session, "/run", **form_of(page)))[1])
            assert (await ended(client, places[-1])).moved == 3
            assert (await post(session, "/run", **form_of(page)))[1] == places[-1], "a double click"
            await store_letters(client, *(letter(f"a_{i}", type="response.completed") for i in range(3)))
    assert len(set(places)) == 2


async def test_a_job_of_another_console_is_shown_from_the_audit(client, bus):
    begun = await audit.begin(client, audit.Action(verb="dlq redrive", who="ann@host", matching=9))
    async with serving(bus) as session:
        status, page = await read(session, f"/jobs/{begun}")
        assert (status, "no end recorded" in page) == (200, True)
        assert (await read(session, "/jobs/1-1"))[0] == 404


async def test_a_viewer_sees_no_form_that_changes_something_and_is_refused_each(client, bus):
    async with serving(bus) as session:
        for path in ("/dead", f"/dead/{GROUP}/a_1"):
            assert 'method="post"' not in (await read(session, path))[1]
        for path in ("/plan", "/run", "/jobs/1-1/stop"):
            assert (await post(session, path, verb="discard"))[0] == 403
    assert len(await names_left(client)) == 5


async def test_a_form_from_another_page_or_too_long_is_refused(client, bus):
    async with serving(bus, console_role="operator") as session:
        for headers in ({}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            async with session.post("/run", data={"verb": "discard"}, headers=headers) as response:
                assert response.status == 403
        assert (await post(session, "/run", verb="discard", why="x" * 70_000))[0] == 413
    assert len(await names_left(client)) == 5
