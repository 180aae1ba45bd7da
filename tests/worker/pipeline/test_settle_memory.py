"""Outcomes that Redis has no memory for. Acks need none, and free memory: they must not wait for the others."""

import pytest
import structlog

from hookbus.shared.connection import parse_info
from hookbus.worker.api.retry import Retry
from hookbus.worker.pipeline import pending_outcome, plan, read, settle
from hookbus.worker.pipeline.outcome import Ack, Cause, DeadLetter, Park
from hookbus.worker.pipeline.slots import Slots
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, a_route, an_in_flight, join, pending, store
from tests.worker.pipeline.test_settle import delivered, settle_all
from tests.worker.subscriptions import runtime, settling

CAUSE = Cause("ValueError", "no")


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch):
    monkeypatch.setattr(settle, "REFUSED_S", 0.02)


async def limit(client, share: float) -> None:
    """Set the limit to this share of the used memory."""
    used = int(parse_info(await client.execute_command("INFO", "memory"))["used_memory"])
    await client.execute_command("CONFIG", "SET", "maxmemory", int(used * share))


async def delayed(client) -> int:
    return await client.execute_command("ZCARD", KEYS.delayed(GROUP))


async def dead(client) -> int:
    return await client.execute_command("ZCARD", KEYS.dead(GROUP))


async def test_g3_acks_continue_while_a_retry_waits_for_memory(client, monkeypatch):
    monkeypatch.setattr(settle, "REFUSED_S", 3600)
    [failed, *handled] = await delivered(client, *(f"wh_{i}" for i in range(9)))
    await limit(client, 0.5)
    async with settling(client) as outcome_writer:
        settle_all(outcome_writer, [failed], Park(60, CAUSE))
        await until(lambda: outcome_writer._refused)
        for in_flight in handled:
            settle_all(outcome_writer, [in_flight], Ack())
        await until(lambda: _only(client, failed))


async def _only(client, in_flight) -> bool:
    return list(await pending(client)) == [in_flight.entry_id]


@pytest.mark.parametrize(("share", "is_written"), [(0.99, True), (0.5, False)])
@pytest.mark.parametrize("result", [Park(60, CAUSE), DeadLetter("rejected", CAUSE)])
async def test_g3_a_little_past_the_limit_is_allowed_since_pending_entries_pin_the_stream(
    client, share, is_written, result
):
    deliveries = await delivered(client, "wh_1")
    async with settling(client) as outcome_writer:
        settle_all(outcome_writer, await delivered(client, "wh_0"), result)  # the script is known
        await outcome_writer.all_written()
        before = await delayed(client) + await dead(client)
        await limit(client, share)
        settle_all(outcome_writer, deliveries, result)
        if is_written:
            await outcome_writer.all_written()
        else:
            await until(lambda: _tried(outcome_writer, 3))
        assert await delayed(client) + await dead(client) == before + is_written
        await client.execute_command("CONFIG", "SET", "maxmemory", 0)
        await outcome_writer.all_written()
        assert await delayed(client) + await dead(client) == before + 1
    assert await pending(client) == {}


async def test_g3_a_retry_that_is_due_at_once_goes_past_the_limit_too(client):
    async with settling(client) as outcome_writer:
        settle_all(outcome_writer, await delivered(client, "wh_0"), Park(60, CAUSE))  # the script is known
        await outcome_writer.all_written()
        deliveries = await delivered(client, "wh_1")
        await limit(client, 0.99)
        settle_all(outcome_writer, deliveries, Park(0, CAUSE))
        await outcome_writer.all_written()
    assert await delayed(client) == 2


async def _tried(outcome_writer, times: int) -> bool:
    """Whether Redis has refused so many commands since the first call."""
    outcome_writer.tries = getattr(outcome_writer, "tries", set()) | {outcome_writer._retry_refused_at}
    return len(outcome_writer.tries) > times


async def test_g3_refusals_are_logged_periodically_and_not_per_outcome(client):
    deliveries = await delivered(client, *(f"wh_{i}" for i in range(50)))
    await limit(client, 0.5)
    with structlog.testing.capture_logs() as logs:
        async with settling(client) as outcome_writer:
            settle_all(outcome_writer, deliveries, Park(60, CAUSE))
            await until(lambda: _tried(outcome_writer, 5))
    assert [line["event"] for line in logs] == ["settling_delayed"]


async def test_g3_a_delivery_that_cannot_be_parked_runs_again_when_it_is_due(client, redis_url, monkeypatch):
    """The backlog fills all memory and every handler fails: no outcome can be written until handlers succeed."""
    monkeypatch.setattr(read, "RECHECK_S", 0.1)
    monkeypatch.setattr(plan, "BLOCK_MS", 100)  # it looks for its own pending entries between two reads
    await join(client)
    names = {f"wh_{i}" for i in range(20)}
    await store(client, *names)
    is_well, attempts, handled = False, [], set()

    async def handle(event: dict, delivery) -> None:
        attempts.append(delivery.attempt)
        if not is_well:
            raise ValueError
        handled.add(delivery.webhook_id)

    route = a_route(handle, concurrency=5, retry=Retry(attempts=3, base=0.01, factor=1), breaker=None)
    await limit(client, 0.5)
    async with runtime(redis_url, client, route) as subscription:
        subscription.start()
        await until(lambda: len(attempts) > 100)
        assert set(attempts) == {1}
        is_well = True
        await until(lambda: handled == names)
        await until(lambda: _none_pending(client))
    assert await delayed(client) + await dead(client) == 0


async def _none_pending(client) -> bool:
    return not await pending(client)


@pytest.mark.parametrize(
    ("result", "age_ms", "is_due"),
    [
        (Park(60, CAUSE), 59_000, False),
        (Park(60, CAUSE), 60_000, True),
        (DeadLetter("rejected", CAUSE), 9_000, False),
        (DeadLetter("rejected", CAUSE), 10_000, True),
    ],
)
@pytest.mark.parametrize("times_delivered", [1, 2])
def test_only_an_outcome_that_is_due_and_was_never_taken_over_is_dropped(result, age_ms, is_due, times_delivered):
    item = pending_outcome.PendingOutcome(
        an_in_flight(times_delivered=times_delivered), result, Slots(1), 0.1, 1_000_000
    )
    assert item.may_run_again(1_000_000 + age_ms) == (is_due and times_delivered == 1)
