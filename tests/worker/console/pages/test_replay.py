"""Replays of an operator: the group gets what was planned, and nothing that it had not received by then."""

import html
import re

import pytest

from hookbus.shared import entry
from hookbus.shared.clock import now_ms
from hookbus.shared.keys import HOME
from tests.wait import until
from tests.worker.builders import GROUP, OWN_STREAM, TYPE
from tests.worker.console.pages.test_plan import ended, form_of, post
from tests.worker.console.serving import read, serving
from tests.worker.dead_letters import subscribe
from tests.worker.retained_events import AT_MS, hand_out, retain

COUNT = 60


@pytest.fixture
async def bus(client, redis_url):
    """A group without a worker that has received sixty events, a millisecond apart."""
    await subscribe(client, "response.*")
    await retain(client, *names(0, COUNT))
    await hand_out(client)
    return redis_url


def names(first: int, last: int) -> list[str]:
    return [f"wh_{i:02}" for i in range(first, last)]


async def replayed(client) -> list[str]:
    found = await client.execute_command("XRANGE", OWN_STREAM, "-", "+")
    return [entry.parse(fields).webhook_id for _, fields in found]


async def shows(session, place, text):
    return text in (await read(session, place))[1]


async def test_a_plan_of_a_window_counts_by_type_and_takes_nothing_that_comes_later(client, bus):
    window = {"since": "2023-11-14T22:13:20.003Z", "until": "2023-11-14T22:13:20.005Z"}
    async with serving(bus, console_role="operator") as session:
        assert await shows(session, f"/groups/{GROUP}", 'value="replay"')
        status, page = await post(session, "/plan", verb="replay", group=GROUP, **window)
        assert (status, "<h1>Replay 3 events</h1>" in page) == (200, True)
        assert "3 of billing · response.completed" in page
        assert "no worker of the group is alive" in page
        command = f"hookbus-worker replay billing --since {window['since']} --until {window['until']}<"
        assert command in html.unescape(page)
        assert await client.execute_command("EXISTS", HOME.audit) == 0
        _, page = await post(session, "/plan", verb="replay", group=GROUP)
        await retain(client, "wh_later", at_ms=AT_MS + 10_000)
        await hand_out(client)
        _, place = await post(session, "/run", **form_of(page), why="INC-7")
        done = await ended(client, place)
    assert (done.verb, done.via, done.role, done.matching, done.moved, done.why) == (
        "replay", "console", "operator", COUNT, COUNT, "INC-7",
    )  # fmt: skip
    assert await replayed(client) == names(0, COUNT)


async def test_going_on_begins_where_the_job_was(client, bus):
    async with serving(bus, console_role="operator") as session:
        _, page = await post(session, "/plan", verb="replay", group=GROUP)
        _, place = await post(session, "/run", **form_of(page), rate="10")
        await until(lambda: shows(session, place, "a second · "))
        await post(session, f"{place}/stop")
        first = (await ended(client, place)).moved
        await until(lambda: shows(session, place, "are left, and are not replayed"))
        _, following = await post(session, f"{place}/go-on")
        await post(session, f"{following}/stop")
        await ended(client, following)
        await until(lambda: shows(session, following, "replay: stopped"))
        _, last = await post(session, f"{following}/go-on")
        await post(session, f"{last}/stop")
        await ended(client, last)
    found = await replayed(client)
    assert first
    assert found[:first] == names(0, first)
    assert found[first : first + 10] == names(first - 1, first + 9), "its last millisecond is done again"
    assert sorted(set(found)) == names(0, len(set(found)))


async def test_one_event_is_replayed_to_one_group_from_its_page(client, bus):
    await retain(client, "wh_fresh", "wh_gone", at_ms=now_ms() - 1000)
    await hand_out(client)
    await retain(client, "wh_unread", at_ms=now_ms() - 100)
    async with serving(bus, console_role="operator") as session:
        _, page = await read(session, "/event?id=wh_fresh")
        [form] = re.findall(r'<form method="post" action="/plan">(.*?)</form>', page)
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
        assert fields == {"group": GROUP, "type": TYPE, "id": "wh_fresh", "verb": "replay"}
        _, page = await post(session, "/plan", **fields)
        assert "<h1>Replay 1 event</h1>" in page
        _, place = await post(session, "/run", **form_of(page))
        assert (await ended(client, place)).criteria["id"] == ["wh_fresh"]
        assert await replayed(client) == ["wh_fresh"]
        assert not await shows(session, "/event?id=wh_unread", 'value="replay"')
        _, page = await post(session, "/plan", **fields | {"id": "wh_gone"})
        await client.execute_command("XTRIM", f"{OWN_STREAM.rpartition(':')[0]}", "MAXLEN", 0)
        status, page = await post(session, "/run", **form_of(page))
        assert (status, f"<h1>{GROUP}</h1>" in page) == (409, True)
        assert "Nothing was changed: wh_gone: no retained event of this id was delivered to billing" in page
    assert await replayed(client) == ["wh_fresh"]


@pytest.mark.parametrize(
    ("form", "status", "problem"),
    [
        ({"group": GROUP, "type": "batch.failed"}, 409, "does not subscribe to batch.failed"),
        ({"group": GROUP, "type": "response*"}, 400, "neither a type nor prefix.*"),
        ({"group": GROUP, "since": "soon"}, 400, "neither an age"),
        ({"group": GROUP, "since": "1h", "until": "2h"}, 400, "later than until"),
        ({"group": GROUP, "id": "wh_nix"}, 409, "no retained event of this id"),
        ({"group": "biling"}, 404, "did you mean billing?"),
        ({}, 404, "no group"),
    ],
)
async def test_a_form_that_makes_no_sense_replays_nothing(client, bus, form, status, problem):
    async with serving(bus, console_role="operator") as session:
        for path in ("/plan", "/run"):
            answered, page = await post(session, path, verb="replay", counted="60", **form)
            assert (answered, problem in html.unescape(page)) == (status, True)
    assert await replayed(client) == []


async def test_what_cannot_be_recorded_does_not_happen_and_a_viewer_replays_nothing(client, bus):
    await client.execute_command("SET", HOME.audit, "another type")
    async with serving(bus, console_role="operator") as session:
        _, page = await post(session, "/plan", verb="replay", group=GROUP)
        status, page = await post(session, "/run", **form_of(page))
        assert (status, "Nothing was changed" in page) == (409, True)
    async with serving(bus) as session:
        for path in (f"/groups/{GROUP}", "/event?id=wh_59"):
            assert 'method="post"' not in (await read(session, path))[1]
        assert (await post(session, "/plan", verb="replay", group=GROUP))[0] == 403
    assert await replayed(client) == []


async def test_a_replay_that_waits_for_memory_says_so_on_its_page_until_there_is_room(client, bus):
    why = f"Redis is more than 80% full: waiting until the workers of {GROUP} make room"
    async with serving(bus, console_role="operator") as session:
        _, page = await post(session, "/plan", verb="replay", group=GROUP)
        await client.execute_command("CONFIG", "SET", "maxmemory", "1")
        try:
            _, place = await post(session, "/run", **form_of(page))
            await until(lambda: shows(session, place, why))
            assert await replayed(client) == []
        finally:
            await client.execute_command("CONFIG", "SET", "maxmemory", "0")
        await ended(client, place)
        assert not await shows(session, place, why)
    assert await replayed(client) == names(0, COUNT)
