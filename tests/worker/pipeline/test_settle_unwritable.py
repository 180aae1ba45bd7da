"""One outcome that can't be written affects its own delivery only."""

import math
import time

import pytest
import structlog
from msgspec.structs import replace

from hookbus.worker.api.decision import MAX_WAIT_S
from hookbus.worker.pipeline.dead_letter import decode
from hookbus.worker.pipeline.outcome import Ack, Cause, DeadLetter, Park
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, pending
from tests.worker.pipeline.test_settle import delivered, settle_all
from tests.worker.subscriptions import settling

CAUSE = Cause("ValueError", "no")
SURROGATE = Cause("ValueError", "\udcff", "\udcff", "\udcff")


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Park(5, SURROGATE), "attempts_exhausted"),
        (Park(math.nan, CAUSE), "attempts_exhausted"),
        (DeadLetter("rejected", SURROGATE), "rejected"),
    ],
    ids=["text", "wait", "letter"],
)
async def test_an_outcome_that_cannot_be_written_becomes_a_plain_letter_and_the_others_are_written(
    client, outcome, reason
):
    broken, fine, parked = await delivered(client, "wh_1", "wh_2", "wh_3")
    with structlog.testing.capture_logs() as logs:
        async with settling(client) as outcome_writer:
            slots = settle_all(outcome_writer, [broken], outcome)
            settle_all(outcome_writer, [fine], Ack(), slots)
            settle_all(outcome_writer, [parked], Park(5, CAUSE), slots)
            await outcome_writer.all_written()
    assert await pending(client) == {}
    assert await client.execute_command("ZCARD", KEYS.delayed(GROUP)) == 1
    letter = decode(await client.execute_command("HGET", KEYS.dead_data(GROUP), "wh_1"))
    assert (letter.reason, letter.error_class, letter.body) == (reason, "UnwritableOutcome", broken.entry.body)
    assert [log["webhook_id"] for log in logs if log["event"] == "outcome_unwritable"] == ["wh_1"]


async def test_an_outcome_that_cannot_even_be_a_plain_letter_stays_pending_and_is_not_in_flight(client):
    broken, fine = await delivered(client, "wh_1", "wh_2")
    broken = replace(broken, entry=replace(broken.entry, webhook_id="\udcff"))
    async with settling(client) as outcome_writer:
        slots = settle_all(outcome_writer, [broken], DeadLetter("rejected", CAUSE))
        settle_all(outcome_writer, [fine], Ack(), slots)
        await outcome_writer.all_written()
    assert list(await pending(client)) == [broken.entry_id]
    assert not slots.holds(broken)


async def test_a_huge_wait_is_written_as_ten_years(client):
    (in_flight,) = await delivered(client, "wh_1")
    async with settling(client) as outcome_writer:
        settle_all(outcome_writer, [in_flight], Park(1e306, CAUSE))
        await outcome_writer.all_written()
    _, score = await client.execute_command("ZRANGE", KEYS.delayed(GROUP), 0, -1, "WITHSCORES")
    assert float(score) == pytest.approx(time.time() * 1000 + MAX_WAIT_S * 1000, abs=3_600_000)


async def test_a_refused_outcome_delays_no_other(client):
    """Once each write waited for the next try of a refused outcome, up to two seconds and a half."""
    deliveries = await delivered(client, *(f"wh_{i}" for i in range(40)))
    await client.execute_command("SET", KEYS.delayed(GROUP), "of the wrong type")
    async with settling(client) as outcome_writer:
        slots = settle_all(outcome_writer, deliveries[:1], Park(5, CAUSE))
        began = time.monotonic()
        for in_flight in deliveries[1:]:
            settle_all(outcome_writer, [in_flight], Ack(), slots)
            await until(lambda in_flight=in_flight: not slots.holds(in_flight))
        assert time.monotonic() - began < 15  # 39 waits of a second and more, otherwise
        await client.execute_command("DEL", KEYS.delayed(GROUP))
        await outcome_writer.all_written()
