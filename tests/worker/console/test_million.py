"""A million dead letters cost a page what a hundred do."""

import os
from pathlib import Path

import aiohttp
import pytest
from redis.asyncio import Redis

from tests.programs import Program
from tests.worker.builders import GROUP
from tests.worker.console import million
from tests.worker.console.serving import read
from tests.worker.dead_letters import DEAD_MS, subscribe

LETTERS = 1_000_000
FINGERPRINTS = 200
PAGE = 50
ROUNDS = 10
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_page_of_a_million_letters_is_cheap_for_the_console_and_for_redis(client, redis_url):
    await subscribe(client, "*")
    await million.store(client, LETTERS, FINGERPRINTS)
    command = ("hookbus-worker", "console", "--listen", "127.0.0.1:0")
    with Program(*command, redis_url=redis_url) as program:
        pid, url = program.process.pid, (await program.until_logged("serving"))["url"]
        async with aiohttp.ClientSession(url) as session:
            await _asked(client, session, pid)


async def _asked(client: Redis, session: aiohttp.ClientSession, pid: int) -> None:
    number = LETTERS - 999 * PAGE  # the last letter of the 999th page
    beyond = f"{DEAD_MS + number},{million.name_of(number)}"
    pages = ("/dead", f"/dead?before={beyond}", f"/dead?type=response.*&before={beyond}", f"/dead?group={GROUP}", "/")
    await read(session, "/dead")
    await client.execute_command("CONFIG", "SET", "slowlog-log-slower-than", 10_000)
    for path in pages:
        before_s = cpu_s(pid)
        slow = []
        for _ in range(ROUNDS):
            await client.execute_command("SLOWLOG", "RESET")
            status, page = await read(session, path)
            slow.append({str(entry[3]) for entry in await client.execute_command("SLOWLOG", "GET", 100)})
        took_s = (cpu_s(pid) - before_s) / ROUNDS
        print(f"{path}: {took_s * 1000:.0f} ms, {len(page) / 1000:.0f} KB, {peak_mb(pid):.0f} MB")
        assert status == 200, path
        assert set.intersection(*slow) == set(), "slow each time: not for what else the machine did"
        assert took_s <= 0.15, path
        assert len(page.encode()) <= 300_000, path
        if "before" in path:
            assert f'href="/dead/{GROUP}/{million.name_of(number)}"' not in page
    assert f"{LETTERS:,}" in page
    assert peak_mb(pid) <= 150
