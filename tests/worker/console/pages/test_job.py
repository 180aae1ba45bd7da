"""A job as every console shows it: its progress, a stop from another one, and who goes on when its console is gone."""

import asyncio
import re

import pytest

from hookbus.shared.keys import HOME
from hookbus.worker import audit
from hookbus.worker.console import job_store
from hookbus.worker.console.job_store import Numbers
from hookbus.worker.console.looker import Looker
from tests.wait import until
from tests.worker.builders import GROUP, KEYS
from tests.worker.console.pages.test_plan import ended, form_of, post
from tests.worker.console.serving import read, serving
from tests.worker.dead_letters import letter, store_letters, subscribe


@pytest.fixture
async def bus(client, redis_url):
    await subscribe(client, "response.*")
    await store_letters(client, *(letter(f"wh_{i}") for i in range(50)))
    return redis_url


async def begin(session, rate, verb="redrive"):
    """Begin to move the fifty letters; the path of the job."""
    _, page = await post(session, "/plan", verb=verb)
    status, place = await post(session, "/run", **form_of(page), rate=rate, why="INC-7")
    assert status == 303
    return place


async def counts(client):
    moved = await client.execute_command("XLEN", KEYS.redelivery("response.completed", GROUP))
    return moved, await client.execute_command("ZCARD", KEYS.dead(GROUP))


async def shows(session, place, text):
    return text in (await read(session, place))[1]


async def test_another_console_shows_progress_and_speed_and_stops_it(client, bus):
    async with serving(bus, console_role="operator") as first, serving(bus, console_role="operator") as second:
        place = await begin(first, "5")
        await until(lambda: shows(second, place, "a second · "))
        page = (await read(second, place))[1]
        assert "dlq redrive: running" in page
        assert ": INC-7" in page
        assert (await post(second, f"{place}/stop"))[0] == 303
        assert (await ended(client, place)).result == "stopped"
        await until(lambda: shows(second, place, "dlq redrive: stopped"))
        moved, left = await counts(client)
        assert (0 < moved < 50, moved + left) == (True, 50)
        status, following = await post(second, f"{place}/go-on")
        assert status == 303
        assert await post(first, f"{place}/go-on") == (303, following), "one goes on"
        assert (await post(second, f"{following}/stop"))[0] == 303
        await until(lambda: shows(first, place, f'href="{following}">went on'))


async def test_what_a_dead_console_left_is_moved_by_another_and_the_audit_ends(client, bus):
    async with serving(bus, console_role="operator") as session:
        place = await begin(session, "5", "discard")
        await until(lambda: shows(session, place, "a second · "))
        await post(session, f"{place}/stop")
        await ended(client, place)
    job_id = place.removeprefix("/jobs/")
    record = {"verb": "dlq discard", "who": "ann@host", "via": "console", "matching": 50}
    lost = await audit.begin(client, audit.Action(**record))
    await client.execute_command("RENAME", HOME.job(job_id), HOME.job(lost))
    moved = (await job_store.fetch(client, lost)).numbers.moved
    await job_store.beat(client, lost, Numbers(int(job_id.partition("-")[0]) - 9999, moved=moved))
    async with serving(bus, console_role="operator") as session:
        page = (await read(session, f"/jobs/{lost}"))[1]
        assert "dlq discard: interrupted" in page
        assert f">The console that ran it is gone. {50 - moved} are left" in page
        assert re.search(rf'href="/jobs/{lost}">no end recorded', (await read(session, "/actions"))[1])
        found = await asyncio.gather(*(post(session, f"/jobs/{lost}/go-on") for _ in range(2)))
        (place,) = {answer for status, answer in found if status == 303}
        await post(session, f"{place}/stop")
        await ended(client, place)
        assert (await ended(client, lost)).result == "stopped"


async def test_a_full_redis_gets_no_job_and_the_move_runs_nevertheless(client, bus, monkeypatch):
    monkeypatch.setattr(Looker, "has_room", property(lambda _: False))
    async with serving(bus, console_role="operator") as session:
        place = await begin(session, "0")
        assert (await ended(client, place)).moved == 50
        assert await shows(session, place, "50</span> of 50")
    assert await client.execute_command("EXISTS", HOME.job(place.removeprefix("/jobs/"))) == 0
    assert await counts(client) == (50, 0)
