"""Processes that are killed without warning, under load: workers, ingest, Redis, and all of them at once."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final

from hookbus.shared.valkey import Valkey
from tests.chaos.harness.scenario import scenario
from tests.chaos.harness.sender import Sender
from tests.chaos.harness.stage import Stage
from tests.chaos.harness.supervised import Supervised
from tests.wait import until

G4_S: Final = 15.0
"""What G4 promises for a takeover."""
SHORT_KILLS: Final = 3


def variety(stage: Stage) -> Callable[[int], dict[str, Any]]:
    """Events of several types, of which a few fail at first and some take a while."""
    types = ("response.completed", "batch.completed", "response.failed", "eval.run.succeeded")

    def make(number: int) -> dict[str, Any]:
        chance = stage.rng.random()
        do = ["fail", "ok"] if chance < 0.005 else [0.3] if chance < 0.03 else ["ok"]
        return {"event_type": types[number % len(types)], "do": do}

    return make


@contextlib.contextmanager
def in_background(duty: Awaitable[None]) -> Iterator[None]:
    """Run a fault in the background for the duration of the block. Raises its error."""
    task = asyncio.ensure_future(duty)
    try:
        yield
        if task.done():
            task.result()
    finally:
        task.cancel()


async def kill_workers(stage: Stage, workers: list[Supervised], every_s: float) -> None:
    """SIGKILL a random one repeatedly, each as soon as it works."""
    while not stage.is_short or deaths(workers) < SHORT_KILLS:
        await asyncio.sleep(every_s)
        worker = stage.rng.choice(workers)
        await worker.ready()
        worker.signal(signal.SIGKILL)


async def kill_ingest(stage: Stage, ingest: Supervised, every_s: float) -> None:
    """SIGKILL ingest every few seconds."""
    while not stage.is_short or ingest.deaths < SHORT_KILLS:
        await asyncio.sleep(every_s * (0.5 + stage.rng.random()))
        await ingest.ready()
        ingest.signal(signal.SIGKILL)


class RedisKiller:
    """SIGKILLs Redis and restarts it, repeatedly."""

    def __init__(self, stage: Stage, server: Valkey) -> None:
        self._stage = stage
        self._server = server
        self.kills = 0

    async def run(self, every_s: float) -> None:
        while not self._stage.is_short or self.kills < SHORT_KILLS:
            await asyncio.sleep(every_s * (0.5 + self._stage.rng.random()))
            await asyncio.to_thread(self._server.stop, signal.SIGKILL)
            await asyncio.to_thread(self._server.start)
            self.kills += 1


async def under_load(stage: Stage, sender: Sender, count: int, kills: Callable[[], int]) -> None:
    """Send `count` events as fast as they are accepted; in the short form send until a few kills have happened."""
    if stage.is_short:
        await sender.load(300, lambda: kills() >= SHORT_KILLS, variety(stage))
    else:
        await sender.burst(count, variety(stage))


def deaths(programs: Sequence[Supervised]) -> int:
    """How often any of them died."""
    return sum(supervised.deaths for supervised in programs)


async def three_workers(stage: Stage, server: Valkey) -> list[Supervised]:
    """Start workers for both groups, one of them where the others can't see its process end."""
    stage.ledger.expect("alpha")
    stage.ledger.expect("beta")
    return [await stage.worker(server.url, "alpha", "beta", is_elsewhere=number == 0) for number in range(3)]


@scenario("kill_workers", "G2, G4: a SIGKILL of a random worker each second loses nothing")
async def workers_are_killed(stage: Stage) -> None:
    server = await stage.valkey()
    ingest = await stage.ingest(server.url)
    workers = await three_workers(stage, server)
    sender = await stage.sender(ingest)
    with in_background(kill_workers(stage, workers, 1.0)):
        await under_load(stage, sender, 100_000, lambda: deaths(workers))
    await stage.until_accounted(server)
    stage.ledger.facts["kills"] = str(deaths(workers))
    if not stage.is_short:
        await kill_one_elsewhere(stage, sender, workers[0])
        await stage.until_accounted(server)
    report = stage.ledger.report()
    assert report.dead == 0, f"{report.dead} dead letters of innocent events"
    assert (report.max_takeover_s or 0) < G4_S, f"a takeover took {report.max_takeover_s:.1f} s"


async def kill_one_elsewhere(stage: Stage, sender: Sender, worker: Supervised) -> None:
    """Once the load is over, kill a worker whose death only the liveness key shows, with long handlers in flight."""
    await worker.ready()
    names = [await sender.send(do=[2.0]) for _ in range(60)]
    await until(lambda: any(n.pid in worker.pids for name in names for n in stage.ledger.entries("alpha", name)))
    worker.signal(signal.SIGKILL)


@scenario("kill_ingest", "G1: SIGKILLs of ingest lose nothing that it answered 200, and nothing is stored twice")
async def ingest_is_killed(stage: Stage) -> None:
    server = await stage.valkey()
    ingest = await stage.ingest(server.url)
    stage.ledger.expect("alpha")
    worker = await stage.worker(server.url, "alpha")
    sender = await stage.sender(ingest)
    with in_background(kill_ingest(stage, ingest, stage.scale(1.5, 1.0))):
        await under_load(stage, sender, 50_000, lambda: ingest.deaths)
    await stage.until_accounted(server)
    stage.ledger.facts["kills"] = str(ingest.deaths)
    assert worker.deaths == 0, "a worker died of it"
    # The sender has no answer to a request whose connection broke, and repeats it; the dedupe detects that.
    repeated = stage.ledger.report().duplicates
    assert repeated == 0, f"{repeated} events were stored twice"


@scenario("kill_redis", "G1, G9: a SIGKILL of Redis loses nothing that was answered 200")
async def redis_is_killed(stage: Stage) -> None:
    server = await stage.valkey()
    ingest = await stage.ingest(server.url)
    workers = await three_workers(stage, server)
    sender = await stage.sender(ingest)
    killer = RedisKiller(stage, server)
    with in_background(killer.run(stage.scale(2.0, 1.0))):
        await under_load(stage, sender, 30_000, lambda: killer.kills)
    stage.ledger.facts["kills"] = str(killer.kills)
    await until_up(server)
    await stage.until_accounted(server)
    assert ingest.deaths == 0, "ingest died of it"
    assert not any(worker.deaths for worker in workers), "a worker died of it"


@scenario("kill_all", "G1, G2, G4, G9 together: workers, ingest and Redis are killed at the same time")
async def all_are_killed(stage: Stage) -> None:
    server = await stage.valkey()
    ingest = await stage.ingest(server.url)
    workers = await three_workers(stage, server)
    sender = await stage.sender(ingest)
    killer = RedisKiller(stage, server)
    with (
        in_background(kill_workers(stage, workers, stage.scale(1.5, 1.0))),
        in_background(kill_ingest(stage, ingest, stage.scale(4.0, 1.5))),
        in_background(killer.run(stage.scale(6.0, 1.5))),
    ):
        await under_load(stage, sender, 40_000, lambda: min(killer.kills, ingest.deaths, deaths(workers)))
    await until_up(server)
    await stage.until_accounted(server)
    stage.ledger.facts["kills"] = str(killer.kills + ingest.deaths + deaths(workers))


async def until_up(server: Valkey) -> None:
    """Restart Redis, since the killer may have been stopped in the middle of a restart."""
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)
