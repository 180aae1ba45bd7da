import asyncio
import contextlib
import logging
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from hookbus import Delivery, Reject, Retry, RetryLater
from hookbus.events import ResponseCompleted
from hookbus.shared import clock
from hookbus.testing import Bus, sample
from tests.worker.testing.handlers import TYPE, Handler, an_app

TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01"


async def test_a_delivery_reaches_its_handler_decoded_and_named():
    received = []

    async def record(event: ResponseCompleted, delivery: Delivery) -> None:
        received.append((event, delivery))

    async with Bus(an_app(record)) as bus:
        event = sample(TYPE, id="resp_1")
        outcome = await bus.deliver(TYPE, event, webhook_id="wh_9", traceparent=TRACEPARENT, is_replay=True)
        [(got, delivery)] = received
        assert outcome.is_handled
        assert got == event
        assert outcome.delivery == delivery
        assert (delivery.webhook_id, delivery.source, delivery.group) == ("wh_9", "openai", "billing")
        assert (delivery.attempt, delivery.received_at, delivery.is_replay) == (1, bus.now, True)


async def test_a_plain_handler_runs_in_a_thread():
    threads = []

    def record(event: dict) -> None:
        threads.append(threading.current_thread())

    async with Bus(an_app(record)) as bus:
        assert (await bus.deliver(TYPE)).is_handled
    assert threads != [threading.main_thread()]


async def test_a_failure_is_retried_when_it_is_due_and_not_before():
    handler = Handler(ValueError("no"), None)
    async with Bus(an_app(handler, retry=Retry(base=10))) as bus:
        began = bus.now
        outcome = await bus.deliver(TYPE)
        assert outcome.is_retried
        assert 10 <= outcome.wait_s <= 12.5
        assert outcome.error == "ValueError: no"
        assert await bus.advance(9.9) == []
        [second] = await bus.advance(2.6)
        assert second.is_handled
        assert second.delivery.attempt == 2
        assert second.delivery.webhook_id == outcome.delivery.webhook_id
        assert bus.now - began == timedelta(seconds=12.5)
        assert await bus.finish() == []


async def test_waiting_exactly_as_long_as_the_outcome_says_is_enough():
    async with Bus(an_app(Handler(*[ValueError(), None] * 50), retry=Retry(base=0.3333))) as bus:
        for _ in range(50):
            outcome = await bus.deliver(TYPE)
            assert [each.is_handled for each in await bus.advance(outcome.wait_s)] == [True]


async def test_the_last_failure_makes_a_dead_letter():
    async with Bus(an_app(Handler(ValueError("no")), retry=Retry(attempts=3, base=1))) as bus:
        first = await bus.deliver(TYPE)
        second, third = await bus.finish()
        assert first.is_retried
        assert second.is_retried
        assert third.is_dead
        assert third.reason == "attempts_exhausted"
        assert third.delivery.attempt == 3
        assert third.wait_s == 0


async def test_reject_and_a_body_that_does_not_fit_are_dead_at_once():
    async with Bus(an_app(Handler(Reject("not ours")))) as bus:
        rejected = await bus.deliver(TYPE)
        assert (rejected.reason, rejected.error) == ("rejected", "Reject: not ours")
        for body in (b"{", {"data": {"id": 5}}, {}):
            assert (await bus.deliver(TYPE, body)).reason == "undecodable"


async def test_retry_later_uses_up_no_attempt_and_ends_with_the_time_of_the_retry():
    handler = Handler(RetryLater(3600))
    async with Bus(an_app(handler, retry=Retry(attempts=1, within=7200))) as bus:
        outcome = await bus.deliver(TYPE)
        assert outcome.is_snoozed
        assert not outcome.is_retried
        assert outcome.wait_s == 3600
        *_, last = await bus.finish()
        assert last.reason == "attempts_exhausted"
        assert 2 <= len(handler.deliveries) <= 4
        assert [each.counted_attempt for each in handler.deliveries] == [1] * len(handler.deliveries)


async def test_max_age_counts_from_the_creation_of_the_event_or_its_receipt():
    async with Bus(an_app(Handler(), max_age=20)) as bus:
        assert (await bus.deliver(TYPE, sample(TYPE, created_at=bus.now - timedelta(seconds=10)))).is_handled
        assert (await bus.deliver(TYPE, sample(TYPE, created_at=bus.now - timedelta(seconds=30)))).reason == "expired"
        late = await bus.deliver(TYPE, received_at=bus.now - timedelta(seconds=30))
        assert late.reason == "expired"
        assert late.error.startswith("Expired: 30.")


async def test_a_retry_may_expire():
    async with Bus(an_app(Handler(ValueError("no")), max_age=20, retry=Retry(base=30))) as bus:
        assert (await bus.deliver(TYPE)).is_retried
        [outcome] = await bus.finish()
        assert outcome.reason == "expired"


@pytest.mark.parametrize("is_plain", [False, True])
async def test_an_attempt_that_exceeds_its_timeout_has_failed(is_plain):
    ending = threading.Event()

    async def waits(event: dict) -> None:
        await asyncio.sleep(60)

    def waits_in_a_thread(event: dict) -> None:
        ending.wait(60)

    async with Bus(an_app(waits_in_a_thread if is_plain else waits, timeout=50), timeout=0.02) as bus:
        outcome = await bus.deliver(TYPE)
        ending.set()
        assert outcome.is_retried
        assert outcome.error == "TimeoutError: timed out after 0.02 s"


async def test_a_handler_that_cancels_its_own_task_has_failed_and_the_test_goes_on():
    async def cancels(event: dict) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    async with Bus(an_app(cancels)) as bus:
        outcome = await bus.deliver(TYPE)
        assert "cancelled its own task" in outcome.error


async def test_an_event_of_a_source_that_the_subscription_leaves_out_is_skipped():
    handler = Handler()
    app = an_app(handler, source=("claude", "clerk"))
    app.on("batch.*")(handler)
    async with Bus(app) as bus:
        assert (await bus.deliver(TYPE, source="openai")).is_skipped
        assert (await bus.deliver(TYPE)).is_handled
        assert (await bus.deliver("batch.failed")).is_handled
        assert (await bus.deliver("batch.failed", source="other")).is_handled
    assert [delivery.source for delivery in handler.deliveries] == ["claude", "openai", "other"]


async def test_the_due_attempts_run_in_the_order_of_their_times_and_new_ones_among_them():
    handler = Handler(RetryLater(30), RetryLater(10), RetryLater(10), None)
    async with Bus(an_app(handler), now=datetime(2026, 1, 1, tzinfo=UTC)) as bus:
        first = await bus.deliver(TYPE, webhook_id="a")
        await bus.deliver(TYPE, webhook_id="b")
        outcomes = await bus.advance(60)
        assert first.delivery.received_at == datetime(2026, 1, 1, tzinfo=UTC)
        assert [each.delivery.webhook_id for each in outcomes] == ["b", "b", "a"]
        assert bus.now == datetime(2026, 1, 1, 0, 1, tzinfo=UTC)


async def test_each_group_gets_what_it_subscribes_to_and_must_be_named_where_several_do():
    audit, billing = Handler(), Handler()
    apps = [an_app(audit, "*", "audit"), an_app(billing)]
    async with Bus(apps) as bus:
        assert (await bus.deliver("new.thing", {"data": 1})).delivery.group == "audit"
        with pytest.raises(ValueError, match=r"audit, billing subscribe .* group='audit'"):
            await bus.deliver(TYPE)
        assert (await bus.deliver(TYPE, group="billing")).is_handled
        with pytest.raises(ValueError, match="no app here has the group 'bills'; there are audit, billing"):
            await bus.deliver(TYPE, group="bills")
    assert [len(audit.deliveries), len(billing.deliveries)] == [1, 1]


async def test_apps_of_one_group_are_one_group():
    one, other = Handler(), Handler()
    async with Bus([an_app(one), an_app(other, "batch.*")]) as bus:
        assert (await bus.deliver("batch.failed")).is_handled
    assert [len(one.deliveries), len(other.deliveries)] == [0, 1]


async def test_a_type_without_a_handler_is_an_error_that_names_the_nearest():
    async with Bus(an_app(Handler())) as bus:
        with pytest.raises(ValueError, match=r"handler of billing subscribes to 'response.complted'; did you mean"):
            await bus.deliver("response.complted")
        with pytest.raises(ValueError, match=r"no handler of billing subscribes to 'x'$"):
            await bus.deliver("x")


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
async def test_time_passes_forwards_alone(seconds):
    async with Bus(an_app(Handler())) as bus:
        with pytest.raises(ValueError, match="a number of seconds from 0 on"):
            await bus.advance(seconds)


async def test_it_works_inside_of_its_async_with_alone_and_once():
    bus = Bus(an_app(Handler()))
    with pytest.raises(RuntimeError, match="async with"):
        await bus.deliver(TYPE)
    async with bus:
        with pytest.raises(RuntimeError, match="entered once"):
            await bus.__aenter__()
    for call in (bus.deliver(TYPE), bus.advance(1), bus.finish(), bus.resume()):
        with pytest.raises(RuntimeError, match="this Bus is closed"):
            await call
    with pytest.raises(RuntimeError, match="entered once"):
        await bus.__aenter__()


async def test_a_handler_that_snoozes_for_ever_does_not_hang_the_test(monkeypatch):
    monkeypatch.setattr("hookbus.worker.testing.bus.MAX_ATTEMPTS", 50)
    async with Bus(an_app(Handler(RetryLater(0)))) as bus:
        await bus.deliver(TYPE)
        with pytest.raises(RuntimeError, match=r"50 attempts, and no end.*RetryLater"):
            await bus.finish()


async def test_the_traceback_of_a_failure_is_in_the_log_and_what_a_handler_asks_for_is_not(caplog):
    async with Bus(an_app(Handler(ValueError("no"), RetryLater(5)))) as bus:
        with caplog.at_level(logging.INFO):
            await bus.deliver(TYPE)
            await bus.deliver(TYPE)
    [record] = [each for each in caplog.records if each.name == "hookbus.testing"]
    assert "retried in" in record.getMessage()
    assert 'File "' in record.getMessage()


async def test_an_attempt_that_a_test_gave_up_ends_with_the_bus():
    ended = asyncio.Event()

    async def waits(event: dict) -> None:
        with contextlib.suppress(BaseException):
            await asyncio.sleep(60)
        ended.set()

    async with Bus(an_app(waits)) as bus:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await bus.deliver(TYPE)
    assert ended.is_set()


async def test_afterwards_the_process_follows_its_own_clock_again():
    async with Bus(an_app(Handler(), max_age=1), now=datetime(2020, 1, 1, tzinfo=UTC)) as bus:
        assert (await bus.deliver(TYPE)).is_handled
    assert abs(clock.now_ms() / 1000 - time.time()) < 60


async def test_a_delivery_takes_milliseconds():
    async with Bus(an_app(Handler())) as bus:
        await bus.deliver(TYPE)
        began = time.process_time()
        for _ in range(200):
            assert (await bus.deliver(TYPE)).is_handled
        assert time.process_time() - began < 1
