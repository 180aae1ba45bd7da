import asyncio
import time

import pytest
import uvloop

from hookbus.worker.pipeline.deadline import Deadline, Deadlines
from tests.wait import TIMER_EARLY_S, until


async def wait_within(deadlines: Deadlines, created: list[Deadline]) -> None:
    """An attempt that never ends by itself."""
    deadline = deadlines.begin()
    created.append(deadline)
    try:
        await asyncio.Event().wait()
    finally:
        deadlines.end(deadline)


async def test_each_attempt_is_cancelled_at_its_own_deadline_and_not_before():
    deadlines, created = Deadlines(0.1), []
    loop = asyncio.get_running_loop()
    began, ended = [], []
    for _ in range(3):
        task = asyncio.create_task(wait_within(deadlines, created))
        task.add_done_callback(lambda _: ended.append(loop.time()))
        began.append(loop.time())
        await until(lambda: loop.time() > began[-1] + 0.03)
    await until(lambda: len(ended) == 3)
    assert all(0.1 - TIMER_EARLY_S <= end - start < 2 for start, end in zip(began, ended, strict=True))
    assert all(deadline.has_passed and deadline.is_sole_reason for deadline in created)


async def test_an_ended_attempt_is_not_cancelled_and_the_next_one_is_cancelled_in_time():
    deadlines, created = Deadlines(0.05), []
    deadlines.end(deadlines.begin())
    await asyncio.create_task(asyncio.sleep(0))
    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(wait_within(deadlines, created))
    assert created[0].has_passed
    assert asyncio.current_task().cancelling() == 0
    assert deadlines._timer is None


async def test_there_is_one_timer_however_many_attempts_there_are(monkeypatch):
    deadlines, timers = Deadlines(60), []
    monkeypatch.setattr(deadlines, "_loop", Counting(asyncio.get_running_loop(), timers))
    running = [deadlines.begin() for _ in range(100)]
    assert len(timers) == 1
    for deadline in running:
        deadlines.end(deadline)
    deadlines._timer.cancel()


class Counting:
    """A loop that records its timers."""

    def __init__(self, loop, timers: list[object]) -> None:
        self._loop = loop
        self._made = timers
        self.time = loop.time

    def __hash__(self) -> int:
        return hash(self._loop)

    def __eq__(self, other: object) -> bool:
        return other is self._loop

    def call_at(self, *args):
        timer = self._loop.call_at(*args)
        self._made.append(timer)
        return timer


async def test_a_deadline_beside_another_cancellation_is_not_the_sole_reason():
    deadlines, created = Deadlines(0.02), []

    async def attempt():
        try:
            await wait_within(deadlines, created)
        except asyncio.CancelledError:
            return created[0].has_passed, created[0].is_sole_reason

    task = asyncio.create_task(attempt())
    await asyncio.sleep(0)
    deadlines._poll()  # no deadline has passed yet: without effect
    # The order of two timers would be undefined: those of uvloop have a resolution of milliseconds.
    time.sleep(0.03)  # noqa: ASYNC251 - the loop stands still until the time has passed
    deadlines._poll()
    task.cancel()
    assert await task == (True, False)


def test_deadlines_are_in_time_on_uvloop_whose_clock_counts_whole_milliseconds():
    async def run() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(wait_within(Deadlines(0.05), []))
        return loop.time() - began

    assert 0.05 - TIMER_EARLY_S <= uvloop.run(run()) < 2


@pytest.mark.both_loops
async def test_the_oldest_attempts_are_named_with_when_they_began_by_the_monotonic_clock():
    deadlines, created = Deadlines(60), []
    before_s = time.monotonic()
    tasks = [asyncio.create_task(wait_within(deadlines, created)) for _ in range(3)]
    await until(lambda: len(created) == 3)
    (first, began_s), (second, _) = deadlines.oldest(2)
    assert [first, second] == tasks[:2]
    assert before_s - 0.01 <= began_s <= time.monotonic() + 0.01
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert deadlines.oldest(2) == []
