import asyncio
import time

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from hookbus.shared.command import FailedError
from hookbus.worker.dlq.bulk import BATCH, Tally, batch_for, move_all
from tests.wait import TIMER_EARLY_S

pytestmark = pytest.mark.both_loops


async def batches(count: int, size: int):
    for first in range(0, count, size):
        yield list(range(first, min(first + size, count)))


async def move(items):
    return [1] * len(items)


async def moved(count: int, size: int, act=move, *, rate=0.0, stopping=None) -> tuple[Tally, list[int]]:
    steps: list[int] = []
    tally = await move_all(
        batches(count, size), act, rate=rate, stopping=stopping or asyncio.Event(),
        progressed=lambda tally: steps.append(tally.moved),
    )  # fmt: skip
    return tally, steps


async def test_every_batch_is_moved_and_reported():
    assert await moved(10, 4) == (Tally(10), [4, 8, 10])


async def test_a_rate_is_kept_and_a_stop_does_not_wait_for_it():
    started = time.monotonic()
    assert (await moved(10, 2, rate=40))[0] == Tally(10)
    assert time.monotonic() - started >= 10 / 40 - 5 * TIMER_EARLY_S  # one for each batch
    stopping = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, stopping.set)
    started = time.monotonic()
    assert (await moved(10, 1, rate=0.001, stopping=stopping))[0] == Tally(1)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(("rate", "batch"), [(0, BATCH), (0.1, 1), (1, 1), (50, 50), (1e9, BATCH)])
def test_a_batch_is_at_most_one_second_of_the_rate(rate, batch):
    assert batch_for(rate) == batch


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (RedisConnectionError("reset"), "Redis: reset; 4 moved before, and perhaps some of the next 200"),
        (FailedError("no room"), "no room"),
    ],
)
async def test_a_fault_is_reported_with_the_number_moved_before(fault, text):
    async def fail_at_last(items):
        if items[0]:
            raise fault
        return [1] * len(items)

    with pytest.raises(FailedError) as failed:
        await moved(8, 4, fail_at_last)
    assert str(failed.value) == text
