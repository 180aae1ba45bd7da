"""A reachable Redis that is flushed, read-only, unable to save, stopped, or without its scripts."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any, Final

from hookbus.shared.connection import connect
from hookbus.shared.valkey import Valkey
from hookbus.worker.inspect import status
from tests.chaos.harness.scenario import scenario
from tests.chaos.harness.sender import Sender
from tests.chaos.harness.stage import Stage
from tests.chaos.harness.supervised import Supervised
from tests.wait import until

RATE: Final = 100.0
FREEZE_S: Final = 7.0
"""Longer than any reply may take (ingest 5 s, readers 6 s), shorter than a liveness key lives."""
OBSTACLE: Final = "obstacle.rdb"
"""The name of the server's snapshot, which the test blocks."""


class LoadedBus:
    """A bus under load, for faults."""

    def __init__(
        self, stage: Stage, server: Valkey, ingest: Supervised, workers: list[Supervised], sender: Sender
    ) -> None:
        self.stage = stage
        self.server = server
        self.ingest = ingest
        self.workers = workers
        self.sender = sender

    async def execute(self, *command: str) -> Any:
        """Execute one command, independent of the programs."""
        with self.server.client() as client:
            return await asyncio.to_thread(client.execute_command, *command)

    async def until_progress(self, count: int = 50) -> None:
        """Wait until `count` more events are accepted, and handled by both groups."""
        names = [await self.sender.send() for _ in range(count)]
        handled = self.stage.ledger.handled
        await until(lambda: all(has_all(handled(group), names) for group in ("alpha", "beta")), timeout_s=60)

    async def refused_with(self, code: str) -> None:
        """Wait until requests are answered 503 with this code."""
        before = self.sender.refused[code]
        await until(lambda: self.sender.refused[code] > before, what=f"answers 503 {code}")


def has_all(handled: Any, names: list[str]) -> bool:
    """Whether all were handled."""
    return all(name in handled for name in names)


async def under_load(stage: Stage, drive: Callable[[LoadedBus], Awaitable[None]]) -> LoadedBus:
    """Run faults on a bus with two workers and two groups; no program may die of them."""
    server = await stage.valkey(dbfilename=OBSTACLE)
    ingest = await stage.ingest(server.url)
    stage.ledger.expect("alpha")
    stage.ledger.expect("beta")
    workers = [await stage.worker(server.url, "alpha", "beta") for _ in range(2)]
    bus = LoadedBus(stage, server, ingest, workers, await stage.sender(ingest))
    async with bus.sender.flow(RATE):
        await bus.until_progress()
        await drive(bus)
        await bus.until_progress()
    await stage.until_accounted(server)
    assert ingest.deaths == 0, "ingest died of it"
    assert not any(worker.deaths for worker in workers), "a worker died of it"
    return bus


@scenario("flushed", "G9: a flushed Redis is used again at once, and the loss is reported")
async def redis_is_flushed(stage: Stage) -> None:
    times = stage.scale(3, 1)

    async def flush(bus: LoadedBus) -> None:
        for number in range(1, times + 1):
            await bus.execute("FLUSHALL")
            # Events on their way at that moment may have been stored before or after; all of them may be gone.
            await until(lambda number=number: is_reported(bus, number), timeout_s=30, what="all report the loss")
            lost = set(stage.ledger.accepted)
            for group in ("alpha", "beta"):
                stage.ledger.forgive(group, lost - stage.ledger.handled(group).keys())
            await bus.until_progress()

    def is_reported(bus: LoadedBus, number: int) -> bool:
        groups = all(
            sum(len(worker.logged("data_loss", group=group)) for worker in bus.workers) >= number
            for group in ("alpha", "beta")
        )
        return groups and len(bus.ingest.logged("data_loss")) >= number

    bus = await under_load(stage, flush)
    shown = await losses(bus)
    reported = sum(len(worker.logged("data_loss")) for worker in bus.workers)
    stage.ledger.facts["losses reported"] = f"{reported} for {times} flushes"
    # A flush removes the count, too; status shows the last loss.
    assert all(shown[group] >= 1 for group in ("alpha", "beta")), f"status shows {shown}"


async def losses(bus: LoadedBus) -> dict[str, int]:
    """The losses that status shows, by group."""

    client = connect(bus.server.url, "chaos", connections=1)
    try:
        report = await status.fetch(client, 1)
    finally:
        await client.aclose()
    return {name: group.losses for name, group in report.groups.items()}


@scenario("refusing", "G9: read-only, unable to save, stopped, scripts gone: 503s, and recovery without help")
async def redis_refuses(stage: Stage) -> None:
    async def refuse(bus: LoadedBus) -> None:
        for _ in range(stage.scale(2, 1)):
            await read_only(bus)
            await bus.until_progress()
            await cannot_save(bus)
            await bus.until_progress()
            await bus.execute("SCRIPT", "FLUSH")
            await bus.until_progress()
            await stopped(bus)
            await bus.until_progress()

    bus = await under_load(stage, refuse)
    report = stage.ledger.report()
    stage.ledger.facts["refused"] = str(bus.sender.refused.total())
    assert not any(worker.logged("data_loss") for worker in bus.workers), "a loss was reported that did not happen"
    assert report.dead == 0, f"{report.dead} dead letters"


async def read_only(bus: LoadedBus) -> None:
    """The server is a replica for some time, as after a failover."""
    await bus.execute("REPLICAOF", "127.0.0.1", "1")
    await bus.refused_with("queue_unavailable")
    await bus.execute("REPLICAOF", "NO", "ONE")


async def cannot_save(bus: LoadedBus) -> None:
    """MISCONF: a folder blocks the path of the snapshot, even for root."""
    obstacle = bus.server.data / OBSTACLE / "full"
    obstacle.parent.unlink(missing_ok=True)
    obstacle.mkdir(parents=True, exist_ok=True)
    await bus.execute("CONFIG", "SET", "save", "3600 1000000")
    await bus.execute("BGSAVE")
    await bus.refused_with("not_durable")
    obstacle.rmdir()
    obstacle.parent.rmdir()
    await bus.execute("BGSAVE")
    await until(lambda: is_saved(bus))
    await bus.execute("CONFIG", "SET", "save", "")


async def is_saved(bus: LoadedBus) -> bool:
    """Whether the last snapshot succeeded."""
    return bool((await bus.execute("INFO", "persistence"))["rdb_last_bgsave_status"] == "ok")


async def stopped(bus: LoadedBus) -> None:
    """SIGSTOP: connections stay open without replies. Senders get a 503 in time."""
    os.kill(bus.server.pid, signal.SIGSTOP)
    try:
        await asyncio.gather(bus.refused_with("queue_unavailable"), asyncio.sleep(FREEZE_S))
    finally:
        os.kill(bus.server.pid, signal.SIGCONT)
