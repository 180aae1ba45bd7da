import asyncio

import pytest

from hookbus.worker.console import tail
from hookbus.worker.console.tail import Tail
from hookbus.worker.find import newest
from hookbus.worker.find.newest import Chosen
from tests.worker.builders import KEYS, TYPE, store
from tests.worker.dead_letters import create_groups

ALL = Chosen()


@pytest.fixture
def reads(monkeypatch):
    """The names of the reads, in order; time stands still but for what a test adds to `now`."""
    found = []
    for name in ("older", "newer"):
        monkeypatch.setattr(newest, name, _counted(getattr(newest, name), name, found))
    return found


def _counted(read, name, found):
    async def counted(*args):
        found.append(name)
        return await read(*args)

    return counted


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(tail.time, "monotonic", lambda: now[0])
    return now


def names(page):
    return [each.webhook_id for each in page.events]


async def test_many_who_look_cost_one_read_a_second_and_only_what_came_since(client, reads, clock):
    await create_groups(client)
    for i in range(60):
        await store(client, f"wh_{i}", entry_id=f"{1000 + i}-0")
    found = Tail(client, 1)
    pages = await asyncio.gather(*(found.page(ALL) for _ in range(20)))
    assert all(names(page) == [f"wh_{i}" for i in range(59, 9, -1)] for page in pages)
    assert reads == ["older"]
    await store(client, "wh_new", entry_id="1059-1")
    assert names(await found.page(ALL))[0] == "wh_59"
    clock[0] += tail.EVERY_S
    page = await found.page(ALL)
    assert names(page) == ["wh_new", *(f"wh_{i}" for i in range(59, 10, -1))]
    assert reads == ["older", "newer"]
    assert names(await newest.older(client, 1, ALL, page.more))[0] == "wh_10"


async def test_more_than_a_page_and_what_was_stored_by_a_clock_set_back_are_read_anew(client, reads, clock):
    await create_groups(client)
    await store(client, "wh_0", entry_id="1000-0")
    found = Tail(client, 1)
    assert names(await found.page(ALL)) == ["wh_0"]
    for i in range(1, 61):
        await store(client, f"wh_{i}", entry_id=f"{1000 + i}-0")
    clock[0] += tail.EVERY_S
    assert names(await found.page(ALL)) == [f"wh_{i}" for i in range(60, 10, -1)]
    assert reads == ["older", "newer", "older"]
    await store(client, "wh_early", event_type="batch.failed", entry_id="1059-5")
    clock[0] += tail.EVERY_S
    assert "wh_early" not in names(await found.page(ALL))
    clock[0] += tail.WHOLE_S
    assert names(await found.page(ALL))[:2] == ["wh_60", "wh_early"]


async def test_an_empty_page_fills_and_few_filters_are_kept(client, reads, clock):
    await create_groups(client)
    found = Tail(client, 1)
    assert names(await found.page(ALL)) == []
    await store(client, "wh_1")
    clock[0] += tail.EVERY_S
    assert names(await found.page(ALL)) == ["wh_1"]
    for i in range(tail.MOST):
        await found.page(Chosen(source=f"s{i}"))
    reads.clear()
    await found.page(ALL)
    assert reads == ["older"], "it was forgotten"
    await client.execute_command("DEL", KEYS.stream(TYPE))
    clock[0] += tail.WHOLE_S
    assert names(await found.page(ALL)) == []
