"""Pauses and resumes of an operator: planned, confirmed, done once, and said; refused where somebody was first."""

import html
import re

import pytest

from hookbus.shared.keys import HOME, Keys
from hookbus.worker import audit
from hookbus.worker.audit import Action
from hookbus.worker.inventory import pauses, suspensions
from hookbus.worker.inventory.suspensions import Held, Opened
from tests.worker.builders import GROUP, TYPE, join, store
from tests.worker.console.pages.test_plan import post
from tests.worker.console.serving import read, serving
from tests.worker.dead_letters import create_groups, subscribe

SHARDS = [Keys(0)]
PAUSE, RESUME = f"/groups/{GROUP}/pause", f"/groups/{GROUP}/resume"
OPERATOR = {"console_role": "operator"}
SURE = {"confirmed": "1"}


@pytest.fixture
async def bus(client, redis_url):
    """A group without pauses, which subscribes to two patterns."""
    await subscribe(client, TYPE, "batch.*")
    await join(client, TYPE, "batch.failed")
    await store(client, "wh_1", event_type="batch.failed")
    return redis_url


async def suspend(client, pattern, suspension):
    field = suspensions.field(GROUP, pattern)
    await client.execute_command("HSET", suspensions.KEY, field, suspensions.encode(suspension))


async def paused(client):
    return {pattern: each.reason for pattern, each in (await pauses.fetch(client, SHARDS, GROUP)).items()}


async def done(session, path, **form):
    """The page to which a confirmed form leads, unescaped."""
    status, place = await post(session, path, **form, **SURE)
    assert status == 303, place
    status, page = await read(session, place)
    assert status == 200
    return html.unescape(page)


async def test_a_pause_is_planned_with_what_it_holds_then_done_and_said_and_a_reload_does_nothing(client, bus):
    async with serving(bus, **OPERATOR) as session:
        status, page = await post(session, PAUSE, pattern="batch.*", why="INC-7")
        assert (status, await paused(client)) == (200, {})
        assert f'<h1 class="name">Pause batch.* of {GROUP}</h1>' in page
        assert '<dd class="mono">batch.*</dd>' in page
        assert '<td class="mono name">batch.failed</td>' in page
        assert f"hookbus-worker pause {GROUP} 'batch.*' --why INC-7" in html.unescape(page)
        assert await client.execute_command("EXISTS", HOME.audit) == 0
        status, place = await post(session, PAUSE, pattern="batch.*", why="INC-7", **SURE)
        for _ in range(2):
            page = html.unescape((await read(session, place))[1])
            assert f"{GROUP}: batch.* paused within two seconds; paused now: batch.*<br>" in page
            assert f"{GROUP}: it holds batch.*" in page
            assert "‖ batch.* is paused" in page, "the page has a look of after the pause"
    assert await paused(client) == {"batch.*": "INC-7"}
    [entry] = await audit.fetch(client, 9)
    assert (entry.verb, entry.via, entry.role, entry.moved, entry.why, entry.result) == (
        "pause", "console", "operator", 1, "INC-7", "done",
    )  # fmt: skip
    assert entry.criteria == {"group": [GROUP], "type": ["batch.*"]}
    assert entry.who.startswith("console@")


async def test_a_resume_names_what_ends_and_all_ends_breakers_and_holds_too(client, bus):
    await pauses.write(client, SHARDS, GROUP, "batch.*", "new schema")
    await suspend(client, TYPE, Opened("f", "ConnectionError: closed", 1, 2))
    await suspend(client, "batch.failed", Held("Hold: busy", 1, 2**42))
    async with serving(bus, **OPERATOR) as session:
        _, page = await read(session, f"/groups/{GROUP}")
        offered = re.findall(r'name="pattern" value="([^"]+)"><button class="btn small">([^<]+)…', page)
        assert offered == [
            ("*", "Resume all"), ("batch.*", "Resume"), (TYPE, "Reset breaker"), ("batch.failed", "Resume"),
        ]  # fmt: skip
        _, page = await post(session, RESUME, pattern="*")
        for text in ("new schema", "ConnectionError: closed", "Hold: busy", f"hookbus-worker resume {GROUP}</code>"):
            assert text in page, text
        page = await done(session, RESUME, pattern=TYPE)
        assert f"{GROUP}: no pause of {TYPE}; paused now: batch.*" in page
        assert f"breaker or hold of {TYPE} ended within two seconds" in page
        assert (await suspensions.fetch(client))[GROUP].keys() == {"batch.failed"}
        page = await done(session, RESUME, pattern="*", why="INC-8")
        assert f"{GROUP}: batch.* resumed within two seconds; paused now: nothing" in page
        assert 'Pauses, breakers, holds</h2><span class="dim">none' in page
    assert (await paused(client), await suspensions.fetch(client)) == ({}, {})


async def test_a_line_offers_what_helps_against_the_first_of_its_troubles(client, bus):
    await suspend(client, TYPE, Opened("f", "ConnectionError: closed", 1, 2))
    await create_groups(client, GROUP, "audit", "many")
    await pauses.write(client, SHARDS, "audit", "*")
    for pattern in ("a.b", "c.d"):
        await pauses.write(client, SHARDS, "many", pattern)
    async with serving(bus, **OPERATOR) as session:
        for path, others in (("/", ["a.b"]), ("/health", ["a.b", "c.d"])):
            _, page = await read(session, path)
            offered = re.findall(r'action="(/groups/\w+/resume)"><[^>]+value="([^"]+)"><button[^>]+>([^<]+)…', page)
            many = [("/groups/many/resume", each, "Resume") for each in others]
            assert offered == [(RESUME, TYPE, "Reset breaker"), ("/groups/audit/resume", "*", "Resume"), *many], path


async def test_a_resume_that_somebody_was_first_to_do_says_who_and_changes_nothing(client, bus):
    await pauses.write(client, SHARDS, GROUP, "*")
    async with serving(bus, **OPERATOR) as session:
        await done(session, RESUME, pattern="*", why="<b>INC-7")
        for form in (SURE, {}):
            status, page = await post(session, RESUME, pattern="*", **form)
            page = html.unescape(page.replace("<b>", "BOLD"))
            assert status == 409
            assert f"Nothing was changed: {GROUP}: * was neither paused nor suspended; paused now: nothing" in page
            assert re.search(r"The last change: resume \* by console@\S+ at [^<]+ UTC: <b>INC-7</p>", page)
            assert "data-live" not in page, "its address is one of forms: there is no part of it"
    assert [each.result for each in await audit.fetch(client, 9)] == ["failed", "done"]


async def test_a_pause_that_stands_already_is_no_second_one(client, bus):
    await pauses.write(client, SHARDS, GROUP, "batch.*", "the first")
    async with serving(bus, **OPERATOR) as session:
        status, page = await post(session, PAUSE, pattern="batch.*", why="the second")
        assert (status, f"{GROUP}: batch.* was already paused" in page) == (409, True)
        page = await done(session, PAUSE, pattern="batch.*", why="the second")
        assert f"{GROUP}: batch.* was already paused" in page
        assert '<option value="batch.' not in page
    assert await paused(client) == {"batch.*": "the first"}


@pytest.mark.parametrize(
    ("path", "pattern", "status", "problem"),
    [
        (PAUSE, "response.failed", 409, "response.failed matches no type that billing receives"),
        (PAUSE, "*.failed", 400, "neither a type nor"),
        (PAUSE, "", 400, "neither a type nor"),
        (RESUME, "<b>\r\n", 400, "neither a type nor"),
        ("/groups/biling/pause", "*", 404, "no group biling"),
        ("/groups/biling/resume", "*", 404, "did you mean billing?"),
    ],
)
async def test_a_form_that_makes_no_sense_is_refused_unrecorded(client, bus, path, pattern, status, problem):
    async with serving(bus, **OPERATOR) as session:
        for form in ({}, SURE):
            found, page = await post(session, path, pattern=pattern, **form)
            assert (found, problem in html.unescape(page)) == (status, True), page
    assert await paused(client) == {}
    assert await client.execute_command("EXISTS", HOME.audit) == 0


async def test_what_cannot_be_recorded_does_not_happen(client, bus):
    await pauses.write(client, SHARDS, GROUP, "batch.*")
    await client.execute_command("SET", HOME.audit, "another type")
    async with serving(bus, **OPERATOR) as session:
        for path in (PAUSE, RESUME):
            status, page = await post(session, path, pattern="*", **SURE)
            assert status == 409
            assert "Nothing was changed: who does it can" in page
    assert list(await paused(client)) == ["batch.*"]


async def test_a_viewer_sees_no_form_and_is_refused(client, bus):
    await pauses.write(client, SHARDS, GROUP, "batch.*", "new schema")
    async with serving(bus) as session:
        for path in ("/", "/health", f"/groups/{GROUP}"):
            _, page = await read(session, path)
            assert 'method="post"' not in page, path
        assert "new schema" in page
        for path in (PAUSE, RESUME):
            assert (await post(session, path, pattern="*", **SURE))[0] == 403
    assert list(await paused(client)) == ["batch.*"]


async def test_only_what_a_change_of_this_group_told_is_shown(client, bus):
    records = []
    for verb, group in (("pause", "other"), ("dlq redrive", GROUP)):
        async with audit.recorded(client, Action(verb=verb, who="a", criteria={"group": [group]}), print) as progress:
            progress.told = "told elsewhere"
        records.append(progress.record)
    async with serving(bus) as session:
        for record in (*records, "1-1"):
            status, page = await read(session, f"/groups/{GROUP}?done={record}")
            assert (status, "told elsewhere" in page) == (200, False)
        assert (await read(session, f"/groups/{GROUP}?done=%3Cb%3E"))[0] == 400


async def test_it_works_with_the_users_that_are_shipped_and_a_reader_may_not(client, bus):
    url = bus.replace("unix://", "unix://{0}:{0}@")
    async with serving(url.format("console"), **OPERATOR) as session:
        await done(session, PAUSE, pattern=TYPE)
        await suspend(client, "batch.*", Opened("f", "E", 1, 2))
        await done(session, RESUME, pattern="*")
    assert (await paused(client), await suspensions.fetch(client)) == ({}, {})
    assert await client.execute_command("ACL", "LOG") == []
    async with serving(url.format("console-viewer")) as session, session.post(PAUSE, data=SURE) as response:
        assert response.status == 403
