"""The list of stored events: by pages, by filters, and without their bodies."""

import html
import re

import pytest

from tests.wait import until
from tests.worker.builders import store
from tests.worker.console.serving import read, serving
from tests.worker.dead_letters import create_groups

EVENT = re.compile(r'href="/event\?id=(\w+)"')
LINK = r'href="([^"]+)">{}<'


@pytest.fixture
async def bus(client, redis_url):
    """120 events of one type, and one of another."""
    await create_groups(client)
    for i in range(120):
        await store(client, f"wh_{i}", entry_id=f"{1000 + i}-0", secret="never shown")
    await store(client, "wh_batch", event_type="batch.failed", entry_id="500-0")
    return redis_url


def link(page, name):
    """The address of a link, "" where there is none."""
    found = re.findall(LINK.format(name), page)
    return html.unescape(found[0]) if found else ""


async def test_events_go_on_a_page_at_a_time_and_back_without_their_bodies(bus):
    async with serving(bus) as session:
        _, first = await read(session, "/events")
        assert EVENT.findall(first) == [f"wh_{i}" for i in range(119, 69, -1)]
        assert "never shown" not in first
        assert "1970-01-01 00:00:01.119 UTC" in first
        assert re.search(r">\d+ bytes<", first)
        _, second = await read(session, link(first, "older →"))
        assert EVENT.findall(second) == [f"wh_{i}" for i in range(69, 19, -1)]
        _, third = await read(session, link(second, "older →"))
        assert EVENT.findall(third) == [*(f"wh_{i}" for i in range(19, -1, -1)), "wh_batch"]
        assert link(third, "older →") == ""
        _, back = await read(session, link(third, "← newer"))
        assert EVENT.findall(back) == EVENT.findall(second)
        _, back = await read(session, link(back, "← newer"))
        assert EVENT.findall(back) == EVENT.findall(first)
        assert EVENT.findall((await read(session, link(back, "older →")))[1]) == EVENT.findall(second)


async def test_a_pause_stays_and_its_page_is_not_drawn_again(client, bus):
    async with serving(bus) as session:
        _, page = await read(session, "/events?type=response.*")
        assert 'data-live="1" data-every="1000"' in page
        pause = link(page, "Pause")
        await store(client, "wh_new")
        _, paused = await read(session, pause)
        assert EVENT.findall(paused) == EVENT.findall(page)
        assert "data-live" not in paused
        assert link(paused, "Follow") == "/events?type=response.%2A"
        assert EVENT.findall((await read(session, link(paused, "← newer")))[1]) == ["wh_new"]


async def test_a_part_is_sent_again_when_an_event_came_though_the_bus_was_not_looked_at_since(client, bus):
    async with serving(bus) as session:
        version = await until(lambda: _unchanged(session))
        await store(client, "wh_new")
        await until(lambda: _has(session, version, "wh_new"))


async def _unchanged(session):
    """The version of the page of which no part is sent again; "" when a look came in between."""
    _, page = await read(session, "/events")
    version = html.unescape(re.search(r'<main id="main" data-version="([^"]+)"', page)[1])
    return version if (await read(session, f"/part/events?v={version}")) == (304, "") else ""


async def _has(session, version, name):
    status, page = await read(session, f"/part/events?v={version}")
    return status == 200 and name in EVENT.findall(page)


async def test_filters_are_in_the_url_and_one_that_can_match_nothing_says_so(bus):
    async with serving(bus) as session:
        for query, names in (("type=batch.*", ["wh_batch"]), ("type=batch.failed&source=openai", ["wh_batch"])):
            assert EVENT.findall((await read(session, f"/events?{query}"))[1]) == names
        _, page = await read(session, "/events?source=elsewhere")
        assert "None match." in page
        assert "0 of 121 looked through" in page
        _, page = await read(session, "/events?type=batch.fail")
        assert "no event of the type batch.fail is stored; did you mean batch.failed?" in page
        for query in ("type=a*b", "before=soon", "after=1-1", f"before={'9' * 20}-0,0,a"):
            assert (await read(session, f"/events?{query}"))[0] == 400, query


async def test_a_redis_without_events_says_so(client, redis_url):
    async with serving(redis_url) as session:
        assert "No event is stored." in (await read(session, "/events"))[1]
