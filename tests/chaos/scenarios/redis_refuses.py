"""A Redis that is there, but flushed, read-only, unable to save, stopped, or without its scripts."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any, Final

from deploy.local.valkey import Valkey
from hookbus.shared.connection import connect
from hookbus.worker.inspect import status
from tests.chaos.harness.kept import Kept
from tests.chaos.harness.scenario import scenario
from tests.chaos.harness.sender import Sender
from tests.chaos.harness.stage import Stage
from tests.wait import until

RATE: Final = 100.0
FREEZE_S: Final = 7.0
"""Longer than any reply may take (ingest 5 s, readers 6 s), shorter than a liveness key lives."""
OBSTACLE: Final = "obstacle.rdb"
"""Where the server would put a snapshot, if nothing lay there."""


class Play:
    """A bus at work, under load, that faults can be tried on."""

    def __init__(self, stage: Stage, server: Valkey, ingest: Kept, workers: list[Kept], sender: Sender) -> None:
        self.stage = stage
        self.server = server
        self.ingest = ingest
        self.workers = workers
        self.sender = sender

    async def execute(self, *command: str) -> Any:
        """One command, past the programs."""
        with self.server.client() as client:
            return await asyncio.to_thread(client.execute_command, *command)

    async def goes_on(self, count: int = 50) -> None:
        """So many more events are accepted, and handled by both groups."""
        names = [await self.sender.send() for _ in range(count)]
        handled = self.stage.ledger.handled
        await until(lambda: all(names_in(handled(group), names) for group in ("alpha", "beta")), timeout_s=60)

    async def refused_with(self, code: str) -> None:
        """Requests are answered 503 with this code."""
        before = self.sender.refused[code]
        await until(lambda: self.sender.refused[code] > before, what=f"answers 503 {code}")


def names_in(handled: Any, names: list[str]) -> bool:
    """Whether all were handled."""
    return all(name in handled for name in names)


async def under_load(stage: Stage, drive: Callable[[Play], Awaitable[None]]) -> Play:
    """Try faults on a bus with two workers and two groups; nobody may die of them."""
    server = await stage.valkey(dbfilename=OBSTACLE)
    ingest = await stage.ingest(server.url)
    stage.ledger.expect("alpha")
    stage.ledger.expect("beta")
    workers = [await stage.worker(server.url, "alpha", "beta") for _ in range(2)]
    play = Play(stage, server, ingest, workers, await stage.sender(ingest))
    async with play.sender.flow(RATE):
        await play.goes_on()
        await drive(play)
        await play.goes_on()
    await stage.accounted(server)
    assert ingest.deaths == 0, "ingest died of it"
    assert not any(worker.deaths for worker in workers), "a worker died of it"
    return play


@scenario("flushed", "G9: a Redis that comes to be empty is used again at once, and the loss is told")
async def redis_is_flushed(stage: Stage) -> None:
    times = stage.scale(3, 1)

    async def flush(play: Play) -> None:
        for number in range(1, times + 1):
            await play.execute("FLUSHALL")
            # What was on its way just then may have been stored before or after; all of it may be gone.
            await until(lambda number=number: is_told(play, number), timeout_s=30, what="the loss is told by all")
            lost = set(stage.ledger.accepted)
            for group in ("alpha", "beta"):
                stage.ledger.forgive(group, lost - stage.ledger.handled(group).keys())
            await play.goes_on()

    def is_told(play: Play, number: int) -> bool:
        groups = all(
            sum(len(worker.logged("data_loss", group=group)) for worker in play.workers) >= number
            for group in ("alpha", "beta")
        )
        return groups and len(play.ingest.logged("data_loss")) >= number

    play = await under_load(stage, flush)
    shown = await losses(play)
    told = sum(len(worker.logged("data_loss")) for worker in play.workers)
    stage.ledger.facts["losses told"] = f"{told} for {times} flushes"
    # A flush takes the count with it; what status shows is the last one.
    assert all(shown[group] >= 1 for group in ("alpha", "beta")), f"status shows {shown}"


async def losses(play: Play) -> dict[str, int]:
    """What status shows, by group."""

    client = connect(play.server.url, "chaos", connections=1)
    try:
        found = await status.fetch(client, 1)
    finally:
        await client.aclose()
    return {name: group.losses for name, group in found.groups.items()}


@scenario("refusing", "G9: read-only, unable to save, stopped, scripts gone: 503s, and recovery without help")
async def redis_refuses(stage: Stage) -> None:
    async def refuse(play: Play) -> None:
        for _ in range(stage.scale(2, 1)):
            await read_only(play)
            await play.goes_on()
            await cannot_save(play)
            await play.goes_on()
            await play.execute("SCRIPT", "FLUSH")
            await play.goes_on()
            await stopped(play)
            await play.goes_on()

    play = await under_load(stage, refuse)
    report = stage.ledger.report()
    stage.ledger.facts["refused"] = str(play.sender.refused.total())
    assert not any(worker.logged("data_loss") for worker in play.workers), "a loss is told that there was not"
    assert report.dead == 0, f"{report.dead} dead letters"


async def read_only(play: Play) -> None:
    """As after a failover that took our server's role, until it has it back."""
    await play.execute("REPLICAOF", "127.0.0.1", "1")
    await play.refused_with("queue_unavailable")
    await play.execute("REPLICAOF", "NO", "ONE")


async def cannot_save(play: Play) -> None:
    """MISCONF: a folder lies where the snapshot should go, which stops even root."""
    obstacle = play.server.data / OBSTACLE / "full"
    obstacle.parent.unlink(missing_ok=True)
    obstacle.mkdir(parents=True, exist_ok=True)
    await play.execute("CONFIG", "SET", "save", "3600 1000000")
    await play.execute("BGSAVE")
    await play.refused_with("not_durable")
    obstacle.rmdir()
    obstacle.parent.rmdir()
    await play.execute("BGSAVE")
    await until(lambda: is_saved(play))
    await play.execute("CONFIG", "SET", "save", "")


async def is_saved(play: Play) -> bool:
    """Whether the last snapshot succeeded."""
    return bool((await play.execute("INFO", "persistence"))["rdb_last_bgsave_status"] == "ok")


async def stopped(play: Play) -> None:
    """SIGSTOP: connections stay, and nobody answers. Senders are told, in time, that it is not their fault."""
    os.kill(play.server.pid, signal.SIGSTOP)
    try:
        await asyncio.gather(play.refused_with("queue_unavailable"), asyncio.sleep(FREEZE_S))
    finally:
        os.kill(play.server.pid, signal.SIGCONT)
