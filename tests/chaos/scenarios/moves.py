"""The address of Redis moves to another server: to its promoted replica, or to a second primary."""

import asyncio
from typing import Any, Final

import redis

from hookbus.shared.clock import now_ms
from hookbus.shared.keys import Keys
from hookbus.shared.valkey import Valkey
from tests.chaos.harness.proxy import FaultProxy
from tests.chaos.harness.scenario import scenario
from tests.chaos.harness.stage import Stage
from tests.moving import AT_ONCE, Moving
from tests.programs import event_body, free_port
from tests.wait import until

TYPE: Final = "response.completed"
KEYS: Final = Keys(0)
STREAM: Final = KEYS.stream(TYPE)
SLOW_S: Final = 3.0
"""The duration of handlers: deliveries of the first primary are in flight while the address moves."""
RATE: Final = 100.0
PAUSED_MS: Final = 20_000
"""Longest wait for a replica to catch up: writes after that would be lost by Redis, not by hookbus."""


@scenario("endpoint_moves", "G1, G2, G9: an address that moves to the new primary is followed, and nothing is lost")
async def the_endpoint_moves(stage: Stage) -> None:
    ports = free_port(), free_port()
    first = await stage.valkey(port=ports[0], **AT_ONCE)
    second = await stage.valkey(port=ports[1], replicaof=f"127.0.0.1 {ports[0]}", **AT_ONCE)
    proxy = await FaultProxy(ports[0]).start()
    try:
        await move_it(stage, Moving(first, second, ports, proxy), Moving(second, first, ports[::-1], proxy))
    finally:
        await proxy.close()


def plan(number: int) -> dict[str, Any]:
    """A few fail at first, so that there are retries, too."""
    return {"do": ["fail", "ok"] if number % 20 == 0 else ["ok"]}


async def move_it(stage: Stage, there: Moving, back: Moving) -> None:
    """Move the address back and forth. No program is restarted, and every outcome is written."""
    ingest = await stage.ingest(there.url)
    stage.ledger.expect("alpha")
    stage.ledger.expect("beta")
    workers = [await stage.worker(there.url, "alpha", "beta") for _ in range(2)]
    sender = await stage.sender(ingest)
    accepted = stage.ledger.accepted
    moves = [there, back] * stage.scale(3, 1)
    async with sender.flow(RATE, plan):
        for move in moves:
            before = len(accepted)
            await until(lambda before=before: len(accepted) >= before + 50, timeout_s=60)
            await caught_up(move.first, move.second)
            await move.move()
        before = len(accepted)
        await until(lambda: len(accepted) >= before + 50, timeout_s=60)
    await stage.until_accounted(moves[-1].second)
    stage.ledger.facts["refused"] = str(sender.refused.total())
    assert ingest.deaths == 0, "ingest died of it"
    assert not any(worker.deaths for worker in workers), "a worker died of it"


async def caught_up(first: Valkey, second: Valkey) -> None:
    """Pause writes to the primary until it becomes the other's replica, and wait until that has caught up."""
    with first.client() as primary, second.client() as replica:
        await until(lambda: replica.info("replication")["master_link_status"] == "up")
        await asyncio.to_thread(primary.execute_command, "CLIENT", "PAUSE", PAUSED_MS, "WRITE")
        offset = primary.info("replication")["master_repl_offset"]
        await until(lambda: replica.info("replication")["slave_repl_offset"] >= offset)


@scenario("split_brain_ids", "G2: of two events that two primaries gave one entry id, each is settled as itself only")
async def two_primaries_give_one_id(stage: Stage) -> None:
    ports = free_port(), free_port()
    first = await stage.valkey(port=ports[0], **AT_ONCE)
    second = await stage.valkey(port=ports[1], replicaof=f"127.0.0.1 {ports[0]}", **AT_ONCE)
    proxy = await FaultProxy(ports[0]).start()
    try:
        await split(stage, Moving(first, second, ports, proxy))
    finally:
        await proxy.close()


async def split(stage: Stage, servers: Moving) -> None:
    """Events of the first primary are in flight in the worker when its address moves to the second."""
    stage.ledger.expect("alpha")
    worker = await stage.worker(servers.url, "alpha")
    with servers.first.client() as first, servers.second.client() as second:
        await until(lambda: second.exists(STREAM))
        servers.split()
        count = stage.scale(80, 20)  # all of them in flight at once
        for number in range(count):
            add(stage, first, f"wh_before_{number}", number, do=[SLOW_S])
        began = stage.ledger.entries
        await until(lambda: all(began("alpha", f"wh_before_{number}") for number in range(count)))
        for number in range(count):
            add(stage, second, f"wh_after_{number}", number, do=["fail", "ok"] if number % 4 == 0 else ["ok"])
    servers.turn()
    servers.proxy.cut()
    await stage.until_accounted(servers.second)
    assert worker.deaths == 0, "the worker died of it"


def add(stage: Stage, client: redis.Redis, webhook_id: str, number: int, **data: Any) -> None:
    """Store an event as ingest does, under an entry id of our choice."""
    fields = {"id": webhook_id, "src": "openai", "at": now_ms(), "body": event_body(TYPE, **data)}
    client.sadd(KEYS.types, TYPE)
    client.xadd(STREAM, fields, id=f"5-{number}")
    stage.ledger.accept(webhook_id, TYPE)
