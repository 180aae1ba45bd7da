import asyncio

import msgspec
import pytest

from hookbus import Delivery, Reject, Retry, RetryLater
from hookbus.shared.clock import now_ms
from hookbus.worker.pipeline.outcome import SKIP, Ack, DeadLetter, Park
from hookbus.worker.pipeline.process import Caller, process
from tests.worker.broken_exceptions import BROKEN
from tests.worker.builders import a_delivery, a_route

RETRY = Retry(attempts=2, base=10)


async def outcome_of(handler, delivery: Delivery | None = None, **options):
    """One attempt of a handler, as a subscription runs it."""
    route = a_route(handler, **{"retry": RETRY} | options)
    caller = Caller(route, route.concurrency)
    try:
        return await process(delivery or a_delivery(), route, caller)
    finally:
        caller.close()


# fmt: off
async def never(event): raise AssertionError("it was called")
async def returns(event): ...
def returns_from_a_thread(event): ...
async def returns_something(event): return "ignored"
def raises_in_a_thread(event): raise ValueError("thread")
async def raises(event): raise ValueError("loop")
async def exits(event): raise SystemExit(3)
def exits_in_a_thread(event): raise SystemExit(3)
async def interrupts(event): raise KeyboardInterrupt
async def closes(event): raise GeneratorExit
def closes_in_a_thread(event): raise GeneratorExit
def stops_iteration(event): next(iter(()))
async def stops_iteration_in_the_loop(event): next(iter(()))
async def times_out_itself(event): raise TimeoutError("the database is slow")
async def cancels(event): raise asyncio.CancelledError
def cancels_in_a_thread(event): raise asyncio.CancelledError
async def later(event): raise RetryLater(7)
async def rejects(event): raise Reject("not ours")
def plain_returning_a_coroutine(event): return raises(event)
# fmt: on


class Odd(BaseException):
    pass


async def raises_a_base_exception(event):
    raise Odd("neither Exception nor exit")


@pytest.mark.parametrize("handler", [returns, returns_from_a_thread, returns_something])
async def test_a_handler_that_returns_has_handled_the_event(handler):
    assert await outcome_of(handler) == Ack()


@pytest.mark.parametrize("source", [None, "openai", ("claude", "openai")])
async def test_an_event_of_a_source_that_the_subscription_takes_is_run(source):
    assert isinstance(await outcome_of(raises, source=source), Park)


@pytest.mark.parametrize("options", [{}, {"max_age": 1e-9}])
@pytest.mark.parametrize("handler", [never, raises_in_a_thread])
async def test_an_event_of_another_source_is_skipped_before_anything_else(handler, options):
    delivery = a_delivery(body=b"not JSON")
    assert await outcome_of(handler, delivery, source="claude", **options) is SKIP


@pytest.mark.parametrize(
    ("handler", "error_class", "message"),
    [
        (raises, "ValueError", "loop"),
        (raises_in_a_thread, "ValueError", "thread"),
        (plain_returning_a_coroutine, "ValueError", "loop"),
        (exits, "SystemExit", "3"),
        (exits_in_a_thread, "SystemExit", "3"),
        (interrupts, "KeyboardInterrupt", ""),
        (closes, "GeneratorExit", ""),
        (closes_in_a_thread, "GeneratorExit", ""),
        (raises_a_base_exception, "Odd", "neither Exception nor exit"),
        (stops_iteration, "RuntimeError", "coroutine raised StopIteration"),
        (stops_iteration_in_the_loop, "RuntimeError", "coroutine raised StopIteration"),
        (times_out_itself, "TimeoutError", "the database is slow"),
        (cancels, "CancelledError", "the handler cancelled itself"),
        (cancels_in_a_thread, "CancelledError", "the handler cancelled itself"),
    ],
)
async def test_any_exception_of_a_handler_is_a_failed_attempt(handler, error_class, message):
    result = await outcome_of(handler, timeout=5)
    assert isinstance(result, Park)
    assert (result.cause.error_class, result.cause.message) == (error_class, message)
    assert f"in {handler.__name__}" in result.cause.traceback or handler is plain_returning_a_coroutine
    last = await outcome_of(handler, a_delivery(attempt=2), timeout=5)
    assert isinstance(last, DeadLetter)
    assert last.reason == "attempts_exhausted"


@pytest.mark.parametrize("is_async", [True, False], ids=["loop", "thread"])
@pytest.mark.parametrize("fails", BROKEN, ids=lambda fails: fails.__name__)
async def test_an_exception_that_raises_on_inspection_is_a_failed_attempt_too(fails, is_async):
    async def in_the_loop(event):
        fails()

    def in_a_thread(event):
        fails()

    handler = in_the_loop if is_async else in_a_thread
    first = await outcome_of(handler)
    last = await outcome_of(handler, a_delivery(attempt=2))
    assert isinstance(first, Park)
    assert isinstance(last, DeadLetter)
    assert (last.reason, last.cause) == ("attempts_exhausted", first.cause)


async def test_a_handler_can_snooze_or_reject_its_delivery():
    later_result, rejected = await outcome_of(later), await outcome_of(rejects)
    assert isinstance(later_result, Park)
    assert later_result.wait_s == 7
    assert isinstance(rejected, DeadLetter)
    assert rejected.reason == "rejected"


async def test_a_handler_gets_the_event_and_the_delivery_where_it_takes_one():
    received = []

    async def both(event: dict, delivery: Delivery):
        received.append((event["type"], delivery))

    def alone(event: bytes):
        received.append(event)

    delivery = a_delivery()
    await outcome_of(both, delivery)
    await outcome_of(alone, delivery)
    assert received == [("response.completed", delivery), delivery.body]


async def test_a_body_that_does_not_decode_is_undecodable_and_the_handler_never_sees_it():
    result = await outcome_of(never, a_delivery(body=b'{"type": "response.completed"'))
    assert isinstance(result, DeadLetter)
    assert result.reason == "undecodable"


async def test_a_struct_whose_own_code_raises_is_undecodable():
    class Explosive(msgspec.Struct):
        def __post_init__(self) -> None:
            raise KeyError("own code")

    async def handler(event): ...

    handler.__annotations__["event"] = Explosive
    result = await outcome_of(handler)
    assert isinstance(result, DeadLetter)
    assert (result.reason, result.cause.error_class) == ("undecodable", "KeyError")


async def test_a_future_type_that_the_annotation_cannot_hold_is_undecodable():
    from hookbus.events import ResponseCompleted

    async def handler(event: ResponseCompleted): ...

    route = a_route(handler)
    result = await process(a_delivery("made.up"), route, Caller(route, 1))
    assert isinstance(result, DeadLetter)
    assert (result.reason, result.cause.error_class) == ("undecodable", "ImpossibleError")


@pytest.mark.parametrize(("age_s", "is_expired"), [(0, False), (19, False), (21, True)])
async def test_an_event_older_than_max_age_is_expired_and_the_handler_never_sees_it(age_s, is_expired):
    delivery = a_delivery(received_at_ms=now_ms() - age_s * 1000)
    result = await outcome_of(never if is_expired else returns, delivery, max_age=20)
    assert (isinstance(result, DeadLetter) and result.reason == "expired") is is_expired


@pytest.mark.parametrize("attempt", [1, 2])
async def test_an_event_that_its_sender_delivered_late_is_expired_although_just_received(attempt):
    now = now_ms()
    for late_s, is_expired in ((600, True), (10, False)):
        body = b'{"type": "response.completed", "id": "evt_1", "created_at": %d, "data": {"id": "resp_1"}}'
        delivery = a_delivery(received_at_ms=now, attempt=attempt, body=body % (now // 1000 - late_s))
        result = await outcome_of(never if is_expired else returns, delivery, max_age=20)
        assert (isinstance(result, DeadLetter) and result.reason == "expired") is is_expired


async def test_max_age_counts_from_receipt_also_in_later_attempts():
    delivery = a_delivery(received_at_ms=now_ms() - 60_000, attempt=2)
    result = await outcome_of(never, delivery, max_age=20)
    assert isinstance(result, DeadLetter)
    assert result.reason == "expired"


async def test_a_handler_that_takes_too_long_is_cancelled_and_has_failed():
    ended = []

    async def hangs(event):
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    result = await outcome_of(hangs, timeout=0.05)
    assert isinstance(result, Park)
    assert str(result.cause) == "TimeoutError: timed out after 0.05 s"
    assert ended == [True]


async def test_a_handler_that_once_cancelled_its_task_still_times_out():
    """Like a library that cancels the task for a timeout of its own without a later `uncancel`."""

    async def hangs(event):
        asyncio.current_task().cancel()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    result = await asyncio.create_task(outcome_of(hangs, timeout=0.05))
    assert isinstance(result, Park)
    assert result.cause.message == "timed out after 0.05 s"


async def test_cancellation_from_outside_passes_through_so_that_the_delivery_stays_pending():
    began = asyncio.Event()

    async def waits(event):
        began.set()
        await asyncio.Event().wait()

    attempt = asyncio.create_task(outcome_of(waits))
    await began.wait()
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt


async def test_snoozed_attempts_count_against_nothing():
    result = await outcome_of(raises, a_delivery(attempt=50, snoozes=49))
    assert isinstance(result, Park)
    assert 10 <= result.wait_s <= 12.5
    assert isinstance(await outcome_of(raises, a_delivery(attempt=50, snoozes=48)), DeadLetter)
