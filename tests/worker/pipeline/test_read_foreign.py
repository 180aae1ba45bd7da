"""Stream entries that hookbus did not write or that were deleted: they are dead-lettered, not raised."""

import pytest

from hookbus import Delivery
from hookbus.shared.clock import now_ms
from hookbus.worker.pipeline.in_flight import in_flight_of
from tests.programs import event_body
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, OWN_STREAM, STREAM, TYPE, Handler, a_route, join, settled, store
from tests.worker.subscriptions import runtime


@pytest.mark.parametrize(
    "fields",
    [
        ["a", "b"],
        ["id", "wh_1", "src", "s", "at", "soon", "body", "{}"],
        ["id", b"\xff", "src", "s", "at", 1, "body", "{}"],
        ["id", "x", "src", "s", "at", 1, "body", "{}", "history", b"\xc1"],
        ["id", "wh_1", "src", "s", "at", 10**20, "body", "{}"],
        ["id", "x", "src", "s", "at", 1, "body", "{}", "attempt", 10**20],
    ],
    ids=["other fields", "no time", "no text", "history", "a time out of range", "an attempt out of range"],
)
async def test_a_foreign_entry_is_dead_lettered_without_a_handler(client, redis_url, fields):
    handler = Handler(is_open=True)

    async def takes_bytes(event: bytes, delivery: Delivery) -> None:
        await handler({}, delivery)

    await join(client)
    entry_id = (await client.execute_command("XADD", STREAM, "*", *fields)).decode()
    await store(client, "wh_after")
    async with runtime(redis_url, client, a_route(takes_bytes)) as subscription:
        subscription.start()
        await until(lambda: handler.done)
        await until(lambda: settled(client))
    assert handler.done == ["wh_after"]
    assert await client.execute_command("ZRANGE", KEYS.dead(GROUP), 0, -1) == [f"foreign-{entry_id}".encode()]


def test_a_foreign_entry_keeps_its_fields_and_says_what_is_wrong_with_it():
    in_flight = in_flight_of(STREAM, TYPE, False, GROUP, b"1700-3", [b"a", b"b"])
    assert (in_flight.delivery.webhook_id, in_flight.delivery.received_at_ms) == ("foreign-1700-3", 1700)
    assert (in_flight.entry.body, in_flight.flaw) == (b"a\nb", "hookbus did not write this entry: KeyError: b'id'")


def test_an_entry_becomes_a_delivery():
    at = now_ms()
    fields = [b"id", b"wh_1", b"src", b"openai", b"at", b"%d" % at, b"body", event_body(), b"attempt", b"4"]
    in_flight = in_flight_of(OWN_STREAM, TYPE, True, GROUP, b"1-0", fields, times_delivered=2, deaths=("a@1",))
    assert (in_flight.delivery.attempt, in_flight.delivery.type, in_flight.delivery.received_at_ms) == (4, TYPE, at)
    assert (in_flight.times_delivered, in_flight.deaths, in_flight.is_own_stream, in_flight.flaw) == (
        2,
        ("a@1",),
        True,
        "",
    )


async def test_a_pending_entry_that_was_deleted_is_a_dead_letter_and_not_read_for_ever(client, redis_url):
    handler = Handler(is_open=True)
    await join(client)
    (entry_id,) = await store(client, "wh_1")
    await client.execute_command("XREADGROUP", "GROUP", GROUP, "me", "STREAMS", STREAM, ">")
    await client.execute_command("XDEL", STREAM, entry_id)
    async with runtime(redis_url, client, handler.route()) as subscription:
        subscription.start()
        await until(lambda: settled(client))
    assert await client.execute_command("ZCARD", KEYS.dead(GROUP)) == 1
