import asyncio

import pytest

from hookbus.worker.console import searches
from hookbus.worker.console.searches import MAX_WAITING, BusyError, Searches
from hookbus.worker.find.search import Found


async def test_one_search_runs_at_a_time_and_a_bounded_number_waits(monkeypatch):
    running, most, may_end = 0, 0, asyncio.Event()

    async def find(*_: object) -> Found:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await may_end.wait()
        running -= 1
        return Found()

    monkeypatch.setattr(searches.search, "find", find)
    asked = Searches()
    tasks = [asyncio.create_task(asked.find(None, 1, "wh_1")) for _ in range(1 + MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(BusyError, match="5 others wait"):
        await asked.find(None, 1, "wh_1")
    tasks.pop().cancel()
    await asyncio.sleep(0)
    tasks.append(asyncio.create_task(asked.find(None, 1, "wh_1")))
    may_end.set()
    assert len(await asyncio.gather(*tasks)) == 1 + MAX_WAITING
    assert most == 1
