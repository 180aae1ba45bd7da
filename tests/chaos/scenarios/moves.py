"""The address of Redis moves between two servers, under load; the one before lives on as the other's replica."""

import asyncio
from typing import Any, Final

from deploy.local.valkey import Valkey
from tests.chaos.proxy import FaultProxy
from tests.chaos.scenario import scenario
from tests.chaos.stage import Stage
from tests.moving import AT_ONCE, Moving
from tests.programs import free_port
from tests.wait import until

RATE: Final = 100.0
PAUSED_MS: Final = 20_000
"""Longest wait for a replica to be in step: what is acknowledged after that would be lost by Redis, not by hookbus."""


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
    """A few fail at first, so that retries are under way too."""
    return {"do": ["fail", "ok"] if number % 20 == 0 else ["ok"]}


async def move_it(stage: Stage, there: Moving, back: Moving) -> None:
    """To and fro. No program is restarted, and no outcome stays unwritten."""
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
            await in_step(move.first, move.second)
            await move.move()
        before = len(accepted)
        await until(lambda: len(accepted) >= before + 50, timeout_s=60)
    await stage.accounted(moves[-1].second)
    stage.ledger.facts["refused"] = str(sender.refused.total())
    assert ingest.deaths == 0, "ingest died of it"
    assert not any(worker.deaths for worker in workers), "a worker died of it"


async def in_step(first: Valkey, second: Valkey) -> None:
    """Have no more written to the one until it becomes the other's replica, and wait until that has everything."""
    with first.client() as primary, second.client() as replica:
        await until(lambda: replica.info("replication")["master_link_status"] == "up")
        await asyncio.to_thread(primary.execute_command, "CLIENT", "PAUSE", PAUSED_MS, "WRITE")
        wanted = primary.info("replication")["master_repl_offset"]
        await until(lambda: replica.info("replication")["slave_repl_offset"] >= wanted)
