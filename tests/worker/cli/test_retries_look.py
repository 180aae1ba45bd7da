"""Which delivery `retries show` means."""

import tracemalloc
from collections.abc import AsyncIterator

import pytest

from hookbus.shared.command import FailedError
from hookbus.worker.cli import retries_look
from hookbus.worker.retries.waiting import Waiting
from tests.worker.builders import KEYS, TYPE
from tests.worker.commands import worker
from tests.worker.parked import an_entry


async def waiting(*names: str) -> AsyncIterator[Waiting]:
    for i, name in enumerate(names):
        body = b"x" * 10_000 + name.encode()
        yield Waiting(KEYS, "billing", TYPE, "parked", f"{TYPE}||{i}-0", i, an_entry(name, body=body))


async def meant(name: str, *names: str) -> str:
    return (await retries_look._one(waiting(*names), name)).entry.webhook_id


async def test_the_whole_id_goes_before_any_number_that_begin_so():
    assert await meant("wh_1", *(f"wh_1{i}" for i in range(50)), "wh_1") == "wh_1"
    assert await meant("wh_1", "wh_2", "wh_10") == "wh_10"


async def test_of_several_a_few_are_named_and_all_counted():
    names = [f"wh_{i}" for i in range(10, 20)]
    with pytest.raises(FailedError, match=r"^10 deliveries wait: wh_10 in billing, .*wh_14 in billing, …; give more"):
        await meant("wh_", *names)
    with pytest.raises(FailedError, match=r"^2 deliveries wait: wh_1 in billing; "):
        await meant("wh_1", "wh_1", "wh_12", "wh_1")


async def test_of_any_number_that_begin_so_few_are_kept():
    tracemalloc.start()
    try:
        with pytest.raises(FailedError, match="1,000 deliveries wait"):
            await meant("wh_", *(f"wh_{i}" for i in range(1000)))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2_000_000


def test_an_id_has_a_character(redis_url):
    found = worker(redis_url, "retries", "show", "")
    assert found.returncode == 2
    assert b"an id has at least one character" in found.stderr
