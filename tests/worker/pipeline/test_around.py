"""Functions around handlers, with the real `process`."""

import asyncio
import contextvars
import threading

import pytest

from hookbus import App, Delivery, Reject
from hookbus.worker.pipeline.outcome import ACK, DeadLetter, Park
from hookbus.worker.pipeline.process import Caller, process
from hookbus.worker.pipeline.routes import build
from tests.worker.builders import GROUP, TYPE, a_delivery

seen: contextvars.ContextVar[str] = contextvars.ContextVar("seen", default="nothing")


async def outcome_of(around, handler, **options):
    app = App(GROUP, around=around)
    app.on(TYPE, **options)(handler)
    route = build([app], 30.0)[0].routes[0]
    caller = Caller(route, 4)
    try:
        return await process(a_delivery(), route, caller)
    finally:
        caller.close()


class Log:
    """What ran, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def around(self, name):
        async def function(call, event, delivery):
            self.lines.append(f"{name} begins")
            await call()
            self.lines.append(f"{name} ends")

        return function

    async def handle(self, event: dict, delivery: Delivery) -> None:
        self.lines.append("handler")

    def plain(self, event: dict) -> None:
        self.lines.append(f"{seen.get()} in a thread: {threading.current_thread() is not threading.main_thread()}")


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


async def twice(call, event, delivery):
    await call()
    await call()


async def not_awaited(call, event, delivery):
    call()


async def returned(call, event, delivery):
    return call()


async def in_a_task_before_it_begins(call, event, delivery):
    tasks.append(asyncio.create_task(call()))


async def in_a_task_that_outlives_it(call, event, delivery):
    tasks.append(asyncio.create_task(call()))
    await asyncio.sleep(0.01)


tasks: list[asyncio.Task] = []


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (twice, "called call() twice"),
        (not_awaited, "returned before the handler had ended: await call()"),
        (returned, "returned before the handler had ended: await call()"),
        (in_a_task_before_it_begins, "returned before the handler had ended: await call()"),
        (in_a_task_that_outlives_it, "returned before the handler had ended: await call()"),
    ],
)
async def test_no_attempt_ends_before_its_handler_or_runs_it_twice(function, error):
    calls = []

    async def handle(event: dict) -> None:
        calls.append(1)
        await asyncio.sleep(0.05 if function is in_a_task_that_outlives_it else 0)

    outcome = await outcome_of([function], handle)
    assert isinstance(outcome, Park)
    assert outcome.cause.error_class == "RuntimeError"
    assert outcome.cause.message.endswith(f"{function.__name__} {error}")
    assert f"{__file__}:{function.__code__.co_firstlineno}" in outcome.cause.message
    await asyncio.gather(*tasks, return_exceptions=True)
    tasks.clear()
    assert len(calls) == (1 if function in (twice, in_a_task_that_outlives_it) else 0)


async def test_a_task_may_run_the_call_if_it_is_awaited():
    async def raced(call, event, delivery):
        async with asyncio.TaskGroup() as group:
            group.create_task(call())

    log = Log()
    assert await outcome_of([raced], log.handle) == ACK
    assert log.lines == ["handler"]


async def test_a_call_that_never_began_because_of_an_error_warns_of_nothing():
    async def breaks(call, event, delivery):
        call()
        raise KeyError("before")

    outcome = await outcome_of([breaks], Log().handle)
    assert outcome.cause.error_class == "KeyError"


async def test_without_any_the_caller_runs_the_handler_itself():
    app = App(GROUP)
    app.on(TYPE)(Log().handle)
    caller = Caller(build([app], 30.0)[0].routes[0], 1)
    assert caller._run == caller._handle
