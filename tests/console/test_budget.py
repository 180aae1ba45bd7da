"""What a page of the largest bus costs: CPU time of the console's process, bytes on the wire, looks at Redis."""

import asyncio
import re
import time

import aiohttp
import pytest

from hookbus.worker.console import pace
from tests.console.browser import console
from tests.wait import until
from tests.worker.builders import GROUP, commandstats
from tests.worker.console import large
from tests.worker.dead_letters import create_groups

pytestmark = pytest.mark.slow
PAGES = 50
CPU_S = 0.1
"""Of a page; looks that happen meanwhile are among it."""
WIRE_BYTES = 40_000
BROWSERS = 20
LOOKS = 3
"""That the browsers wait for."""
NOBODY_S = 60.0
HEARD_S = 20.0
"""The end of that time."""


async def test_the_overview_of_fifty_groups_and_forty_types_stays_within_its_budget(client, redis_url):
    await large.fill(client)
    async with console(redis_url) as url, aiohttp.ClientSession(url, auto_decompress=False) as session:
        await until(lambda: _number(session))
        before_s = await _cpu_s(session)
        sizes = [len(await _get(session, "/")) for _ in range(PAGES)]
        took_s = (await _cpu_s(session) - before_s) / PAGES
        assert took_s <= CPU_S
        assert max(sizes) <= WIRE_BYTES
        began_s, first = time.monotonic(), await _number(session)
        await asyncio.gather(*(_poll(session, first + LOOKS) for _ in range(BROWSERS)))
        looks = await _number(session) - first
        assert LOOKS <= looks <= (time.monotonic() - began_s) / pace.INTERVAL_S + 1


@pytest.mark.timeout(120)
async def test_a_minute_after_the_last_request_redis_hears_nothing(client, redis_url):
    """But for the look a minute of the plots, which is not due yet: `test_looker` has that."""
    await create_groups(client, GROUP)
    async with console(redis_url) as url, aiohttp.ClientSession(url) as session:
        await _poll(session, await _number(session) + LOOKS)
        await asyncio.sleep(NOBODY_S - HEARD_S)
        await client.execute_command("CONFIG", "RESETSTAT")
        await asyncio.sleep(HEARD_S)
        heard = await commandstats(client)
    assert set(heard) <= {"config|resetstat", "info"}


async def _get(session: aiohttp.ClientSession, path: str, encoding: str = "gzip, deflate") -> bytes:
    async with session.get(path, headers={"Accept-Encoding": encoding}) as response:
        assert response.status in (200, 304)
        return await response.read()


async def _poll(session: aiohttp.ClientSession, last: int) -> None:
    """As a browser does, until the look `last` is there."""

    async def polled() -> bool:
        number = await _number(session)
        await _get(session, f"/part/?v={number}")
        return number >= last

    await until(polled, 60)


async def _number(session: aiohttp.ClientSession) -> int:
    """Of the last look."""
    found = re.search(rb'data-version="(\d+)', await _get(session, "/part/health", "identity"))
    return int(found[1]) if found else 0


async def _cpu_s(session: aiohttp.ClientSession) -> float:
    """CPU time that the console has used."""
    found = re.search(rb"^process_cpu_seconds_total ([0-9.e+]+)$", await _get(session, "/metrics", "identity"), re.M)
    assert found
    return float(found[1])
