"""Functions around a handler that run it elsewhere: no attempt ends before its handler."""

import asyncio
import contextlib
import gc

import pytest

from hookbus import App
from hookbus.worker.pipeline import deadline
from hookbus.worker.pipeline.outcome import ACK, Park
from hookbus.worker.pipeline.process import Caller, process
from hookbus.worker.pipeline.routes import build
from tests.wait import until
from tests.worker.builders import GROUP, TYPE, a_delivery
from tests.worker.pipeline.around import Log, outcome_of


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


async def in_a_task_of_its_own_choice(call, event, delivery):
    async def whatever():
        await call()

    tasks.append(asyncio.create_task(whatever()))
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
        (in_a_task_of_its_own_choice, "returned before the handler had ended: await call()"),
    ],
)
async def test_no_attempt_ends_before_its_handler_or_runs_it_twice(function, error, caplog):
    calls = []

    async def handle(event: dict) -> None:
        calls.append("begun")
        try:
            await asyncio.sleep(0 if function is twice else 60)
        finally:
            calls.append("ended")

    outcome = await outcome_of([function], handle)
    assert isinstance(outcome, Park)
    assert outcome.cause.error_class == "RuntimeError"
    assert outcome.cause.message.endswith(f"{function.__name__} {error}")
    assert f"{__file__}:{function.__code__.co_firstlineno}" in outcome.cause.message
    runs = (twice, in_a_task_that_outlives_it, in_a_task_of_its_own_choice)
    assert calls == (["begun", "ended"] if function in runs else [])
    if tasks:
        await asyncio.wait(tasks)  # as a program that forgot them: nobody asks for their errors
    tasks.clear()
    gc.collect()
    assert not caplog.records, "no task has an error that nobody retrieved"


async def test_a_call_after_the_function_has_returned_runs_nothing():
    async def too_late(call, event, delivery):
        async def later():
            await asyncio.sleep(0)
            await call()

        tasks.append(asyncio.create_task(later()))

    log = Log()
    assert await outcome_of([too_late], log.handle) == ACK
    (error,) = await asyncio.gather(*tasks, return_exceptions=True)
    tasks.clear()
    assert str(error).endswith("too_late had returned before call() was called")
    assert log.lines == []


async def test_a_handler_in_another_task_has_ended_when_its_timeout_is_over():
    ended = []

    async def shields(call, event, delivery):
        await asyncio.shield(call())

    async def handle(event: dict) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            ended.append(1)

    outcome = await outcome_of([shields], handle, timeout=0.05)
    assert outcome.cause.message == "timed out after 0.05 s"
    assert ended == [1]


async def test_a_handler_in_another_task_that_ignores_its_end_is_overdue(monkeypatch):
    monkeypatch.setattr(deadline, "CANCEL_S", 0.02)
    may_end, handler_ended = asyncio.Event(), asyncio.Event()
    abandoned = []

    async def leaves(call, event, delivery):
        await asyncio.wait_for(asyncio.shield(call()), 0.01)

    async def handle(event: dict) -> None:
        while not may_end.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await may_end.wait()
        handler_ended.set()

    app = App(GROUP, around=[leaves])
    app.on(TYPE, timeout=0.05)(handle)
    route = build([app], 30.0)[0].routes[0]
    caller = Caller(route, 1)
    caller.deadlines.on_abandoned = abandoned.append
    attempt = asyncio.create_task(process(a_delivery(), route, caller))
    await until(lambda: abandoned == [attempt])
    assert not attempt.done(), "its slot is taken as long as the handler runs"
    may_end.set()
    await attempt
    assert handler_ended.is_set()
    caller.close()


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
