"""Functions around handlers, with the real `process`."""

import asyncio
import contextlib

import pytest

from hookbus import App, Delivery, Reject
from hookbus.worker.api.around import has_timed_out
from hookbus.worker.pipeline.outcome import ACK, DeadLetter, Park
from hookbus.worker.pipeline.process import Caller
from hookbus.worker.pipeline.routes import build
from tests.worker.builders import GROUP, TYPE
from tests.worker.pipeline.around import Log, outcome_of, seen


async def test_the_first_is_outermost():
    log = Log()
    assert await outcome_of([log.around("a"), log.around("b")], log.handle) == ACK
    assert log.lines == ["a begins", "b begins", "handler", "b ends", "a ends"]


async def test_a_plain_handler_runs_in_its_thread_with_the_context_of_what_is_around_it():
    async def sets(call, event, delivery):
        seen.set("set around")
        await call()

    log = Log()
    assert await outcome_of([log.around("a"), sets], log.plain) == ACK
    assert log.lines == ["a begins", "set around in a thread: True", "a ends"]


async def test_each_gets_the_event_and_the_delivery_of_the_handler():
    got = []

    async def keep(call, event, delivery):
        got.append((event, delivery))
        await call()

    async def handle(event: dict, delivery: Delivery) -> None:
        got.append((event, delivery))

    await outcome_of([keep], handle)
    assert got[0][0] is got[1][0]
    assert got[0][1] is got[1][1]


async def test_what_one_raises_counts_as_raised_by_the_handler():
    async def reject(call, event, delivery):
        await call()
        raise Reject("of another tenant")

    log = Log()
    outcome = await outcome_of([reject], log.handle)
    assert isinstance(outcome, DeadLetter)
    assert (outcome.reason, outcome.cause.message) == ("rejected", "of another tenant")
    assert log.lines == ["handler"]


async def test_one_sees_the_error_of_the_handler_and_may_swallow_it():
    caught = []

    async def swallow(call, event, delivery):
        try:
            await call()
        except ValueError as error:
            caught.append(str(error))

    async def fail(event: dict) -> None:
        raise ValueError("no")

    assert await outcome_of([swallow], fail) == ACK
    assert caught == ["no"]


async def test_one_that_does_not_call_skips_the_handler_and_the_delivery_is_handled():
    async def leave_out(call, event, delivery): ...

    log = Log()
    assert await outcome_of([leave_out, log.around("b")], log.handle) == ACK
    assert log.lines == []


async def test_the_timeout_includes_what_is_around():
    async def slow(call, event, delivery):
        await call()
        await asyncio.sleep(100)

    outcome = await outcome_of([slow], Log().handle, timeout=0.05)
    assert isinstance(outcome, Park)
    assert outcome.cause.message == "timed out after 0.05 s"


async def swallows_all(call, event, delivery):
    with contextlib.suppress(BaseException):
        await call()


async def swallows_all_by_itself(call, event, delivery):
    with contextlib.suppress(BaseException):
        await asyncio.sleep(60)


@pytest.mark.parametrize("function", [swallows_all, swallows_all_by_itself])
async def test_none_can_swallow_a_timeout(function):
    async def handle(event: dict) -> None:
        await asyncio.sleep(60)

    outcome = await outcome_of([Log().around("a"), function], handle, timeout=0.05)
    assert isinstance(outcome, Park)
    assert outcome.cause.message == "timed out after 0.05 s"


async def test_an_outer_function_can_tell_that_a_swallowed_cancellation_was_a_timeout():
    told = []

    async def asks(call, event, delivery):
        try:
            await call()
        except asyncio.CancelledError as error:
            told.append(has_timed_out(error))
            raise

    async def handle(event: dict) -> None:
        await asyncio.sleep(60)

    await outcome_of([asks, swallows_all], handle, timeout=0.05)
    assert told == [True]


async def test_none_can_swallow_the_cancellation_of_a_stop():
    begun = asyncio.Event()

    async def handle(event: dict) -> None:
        begun.set()
        await asyncio.sleep(60)

    attempt = asyncio.create_task(outcome_of([swallows_all], handle))
    await begun.wait()
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt


async def test_a_handler_that_returned_is_handled_whatever_is_cancelled_afterwards():
    async def swallows_later(call, event, delivery):
        await call()
        with contextlib.suppress(BaseException):
            await asyncio.sleep(60)

    assert await outcome_of([swallows_later], Log().handle, timeout=0.05) == ACK


async def test_without_any_the_caller_runs_the_handler_itself():
    app = App(GROUP)
    app.on(TYPE)(Log().handle)
    caller = Caller(build([app], 30.0)[0].routes[0], 1)
    assert caller._run == caller._handle
