"""Entry ids that two servers assigned to two events: no outcome of one event settles the other."""

import asyncio

import msgspec
import pytest
import structlog

from hookbus.shared import scripts
from hookbus.shared.connection import connect
from hookbus.shared.raw_connection import RawConnection
from hookbus.shared.scripts import Call
from hookbus.worker.inventory.redeliveries import relist
from hookbus.worker.pipeline.outcome import Ack, Cause, DeadLetter, Park
from hookbus.worker.pipeline.settle import READ_ELSEWHERE
from hookbus.worker.pipeline.slots import Slots
from tests.moving import moving
from tests.wait import until
from tests.worker.builders import (
    GROUP,
    KEYS,
    OWN_STREAM,
    STREAM,
    TYPE,
    Handler,
    an_in_flight,
    join,
    pending,
    store,
    take,
)
from tests.worker.subscriptions import runtime, settling

CAUSE = Cause("ValueError", "no")
OUTCOMES = [Ack(), Park(5, CAUSE), DeadLetter("rejected", CAUSE)]


async def settle_one(client, in_flight, outcome) -> list[dict]:
    slots = Slots(9)
    slots.take(in_flight)
    with structlog.testing.capture_logs() as logs:
        async with settling(client) as outcome_writer:
            outcome_writer.settle(in_flight, outcome, slots, 0.1)
            await outcome_writer.all_written()
    assert not slots.holds(in_flight)
    return logs


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)
async def test_an_outcome_of_an_older_term_is_void_where_another_event_has_the_entry_id(client, outcome):
    await join(client)
    await store(client, "wh_another", entry_id="5-5")
    await take(client, "me")
    in_flight = an_in_flight("wh_read_before", entry_id=b"5-5", term="a server before")
    logs = await settle_one(client, in_flight, outcome)
    assert await pending(client) == {b"5-5": ("me", 1)}
    assert await client.execute_command("EXISTS", KEYS.delayed(GROUP), KEYS.dead(GROUP)) == 0
    reasons = [line["reason"] for line in logs if line["event"] == "outcome_discarded"]
    assert reasons == ([] if isinstance(outcome, Ack) else [READ_ELSEWHERE])


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)
@pytest.mark.parametrize("own", [False, True])
async def test_an_outcome_of_an_older_term_is_written_where_it_is_the_same_event(client, outcome, own):
    await join(client)
    stream = OWN_STREAM if own else STREAM
    fields = (
        "at",
        1,
        "body",
        "{}",
        "src",
        "id",
        "id",
        "wh_1",
        "attempt",
        2,
    )
    await client.execute_command("XADD", stream, "5-5", *fields)
    if own:
        await scripts.run(client, relist(KEYS, GROUP, TYPE))
    (in_flight,) = await take(client, "me", own=own)
    assert in_flight.delivery.webhook_id == "wh_1"
    await settle_one(client, msgspec.structs.replace(in_flight, term="a server before"), outcome)
    assert await pending(client, own=own) == {}
    assert await client.execute_command("XLEN", stream) == (0 if own else 1)
    assert await client.execute_command("ZCARD", KEYS.delayed(GROUP)) == isinstance(outcome, Park)
    assert await client.execute_command("ZCARD", KEYS.dead(GROUP)) == isinstance(outcome, DeadLetter)


async def test_the_comparison_of_an_older_term_with_a_deleted_entry_settles_nothing(client):
    await join(client)
    await store(client, "wh_1", entry_id="5-5")
    await take(client, "me")
    await client.execute_command("XDEL", STREAM, "5-5")
    call = Call(scripts.of_the_same(scripts.ACK), (STREAM, KEYS.redeliveries), (GROUP, "me", "5-5", "", "wh_1"))
    assert await scripts.run(client, call) == 0
    assert await pending(client) == {b"5-5": ("me", 1)}


async def test_outcomes_of_this_term_are_not_compared(client, redis_url):
    await join(client)
    await store(client, "wh_1")
    line = RawConnection(connect(redis_url, "tests", has_term=True))
    term = await line.ready()
    assert len(term) == 40
    (in_flight,) = await take(client, "me")
    await client.execute_command("CONFIG", "RESETSTAT")
    await settle_one(line, msgspec.structs.replace(in_flight, term=term), Ack())
    stats = await client.execute_command("INFO", "commandstats")
    assert b"cmdstat_xack" in stats
    assert b"cmdstat_xrange" not in stats


async def test_another_event_with_an_id_in_flight_is_begun_too_and_each_is_settled_as_itself(tmp_path):
    async with moving(tmp_path) as servers:
        control = connect(servers.url, "tests", has_term=True)
        await join(control)
        handler = Handler()
        async with runtime(servers.url, control, handler.route()) as working:
            working.start()
            await until(lambda: _is_in_step(servers))
            servers.split()
            with servers.first.client() as first, servers.second.client() as second:
                add(first, "wh_x")
                await until(lambda: handler.began == ["wh_x"])
                add(second, "wh_y")
                servers.turn()
                servers.proxy.cut()
                await until(lambda: handler.began == ["wh_x", "wh_y"])
                handler.go()
                await until(lambda: second.xpending(STREAM, GROUP)["pending"] == 0)
                assert first.xpending(STREAM, GROUP)["pending"] == 1
        await control.aclose()


def add(client, webhook_id: str) -> None:
    fields = {"id": webhook_id, "src": "openai", "at": 1, "body": '{"type": "response.completed"}'}
    client.xadd(STREAM, fields, id="5-5")


def _is_in_step(servers) -> bool:
    with servers.second.client() as second:
        return bool(second.exists(STREAM))


async def test_a_restart_begins_no_delivery_that_is_in_flight(own_server):
    control = connect(own_server.url, "tests")
    await join(control)
    handler = Handler()
    async with runtime(own_server.url, control, handler.route()) as working:
        working.start()
        await store(control, "wh_1")
        await until(lambda: handler.began == ["wh_1"])
        await asyncio.to_thread(own_server.stop)
        await asyncio.to_thread(own_server.start)
        await store(control, "wh_2")
        await until(lambda: handler.began == ["wh_1", "wh_2"])
        handler.go()
        with own_server.client() as client:
            await until(lambda: client.xpending(STREAM, GROUP)["pending"] == 0)
        assert handler.began == ["wh_1", "wh_2"]
    await control.aclose()


async def test_connections_older_than_a_change_of_term_are_replaced(tmp_path):
    async with moving(tmp_path) as servers:
        client = connect(servers.url, "tests", has_term=True)
        lines = [RawConnection(client) for _ in range(2)]
        before = {await line.ready() for line in lines}
        assert len(before) == 1
        servers.split()
        servers.turn()  # older connections still work
        await client.execute_command("PING")
        after = {await line.ready() for line in lines}
        assert len(after) == 1
        assert after != before
        for line in lines:
            await line.aclose()
        await client.aclose()


async def test_where_info_is_refused_no_two_connections_are_of_one_term(own_server):
    with own_server.client() as admin:
        admin.execute_command("ACL", "SETUSER", "mute", "on", ">mute", "+client|setname", "+ping")
    client = connect(own_server.url.replace("://", "://mute:mute@"), "tests", has_term=True)
    lines = [RawConnection(client) for _ in range(2)]
    assert len({await line.ready() for line in lines}) == 2
    assert [await line.execute_command("PING") for line in lines] == [b"PONG"] * 2
    for line in lines:
        await line.aclose()
    await client.aclose()
