"""`make soak MINUTES=30`: constant load with failures and restarts, and a measurement of memory each minute.

Two ingests and three workers. One of each is steady: it is never killed, and its memory has to stay flat. So has
Redis' memory without the dedupe's sets, which grow by 45 bytes an event during their window. The others are disturbed:
killed and restarted; connections are cut and scripts flushed. The last line is one JSON object; the exit code is 1 if
memory was not flat after the warm-up, or anything was lost.

python -m tests.chaos.soak [--minutes N] [--rate N] [--seed N]
"""

import argparse
import asyncio
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from redis.asyncio import Redis

from hookbus.shared.connection import FAULTS, connect
from hookbus.shared.keys import Keys
from hookbus.shared.valkey import Valkey
from tests.chaos.harness.bounded_ledger import BoundedLedger
from tests.chaos.harness.flatness import TOLERANCE, Minutes, redis_bytes, rss_bytes
from tests.chaos.harness.journal import Journal
from tests.chaos.harness.runner import FAILED_RUNS
from tests.chaos.harness.stage import Stage
from tests.chaos.harness.supervised import Supervised

RATE: Final = 300.0
MINUTE_S: Final = 60.0
POLL_S: Final = 1.0
FAULT_EVERY_S: Final = 12.0
WARM_UP: Final = 5
"""Minutes at most, and a third of all: until each handler, type and fault has occurred a few times."""
RETENTION: Final = {"HOOKBUS_WORKER_RETENTION_S": "20", "HOOKBUS_WORKER_ORPHAN_RETENTION_S": "20"}
"""So short that the stored data reach their plateau within the first minute."""
TYPES: Final = ("response.completed", "batch.completed", "response.failed", "eval.run.succeeded")
MIB: Final = 1024 * 1024


@dataclass(slots=True)
class Soak:
    """The programs of a soak. `steady` ones are never killed, and judged; `disturbed` ones are killed and restarted."""

    stage: Stage
    ledger: BoundedLedger
    server: Valkey
    client: Redis
    steady: dict[str, Supervised]
    disturbed: dict[str, Supervised]
    minutes: Minutes = field(default_factory=Minutes)
    faults: int = 0

    def event(self, number: int) -> dict[str, Any]:
        """Some events fail at first, some take a while; `filler` gives bodies many sizes."""
        chance = self.stage.rng.random()
        do = ["fail", "ok"] if chance < 0.01 else [0.3] if chance < 0.03 else ["ok"]
        return {"event_type": TYPES[number % len(TYPES)], "do": do, "filler": "x" * self.stage.rng.randrange(400)}

    async def break_something(self) -> None:
        """Cause one fault after the other, of each kind equally often."""
        kinds: list[Callable[[], Awaitable[None]]] = [self._kill, self._restart, self._cut, self._flush]
        while True:
            self.stage.rng.shuffle(kinds)
            for fault in kinds:
                await asyncio.sleep(FAULT_EVERY_S * (0.5 + self.stage.rng.random()))
                try:
                    await fault()
                except FAULTS:
                    continue  # our own connection was cut
                self.faults += 1

    async def _kill(self) -> None:
        victim = self.disturbed[self.stage.rng.choice(sorted(self.disturbed))]
        await victim.ready()
        victim.signal(signal.SIGKILL)

    async def _restart(self) -> None:
        await self.disturbed[self.stage.rng.choice(sorted(self.disturbed))].restart()

    async def _cut(self) -> None:
        await self.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    async def _flush(self) -> None:
        await self.client.execute_command("SCRIPT", "FLUSH")

    async def watch(self) -> None:
        """Sample memory each second, and print a line each minute."""
        minute_at = time.monotonic() + MINUTE_S
        while True:
            await asyncio.sleep(POLL_S)
            pids = {name: supervised.pid for name, supervised in (self.steady | self.disturbed).items()}
            pids["redis rss"] = self.server.pid
            self.minutes.add(await asyncio.to_thread(rss_bytes, pids))
            try:
                self.minutes.add(await redis_bytes(self.client, Keys(0)))
            except FAULTS:
                continue
            self.minutes.add({"open": float(self.ledger.open())})
            if time.monotonic() >= minute_at:
                minute_at += MINUTE_S
                self.print_minute(self.minutes.close())

    def print_head(self) -> None:
        """Print the columns."""
        names = [*self.steady, *self.disturbed, "redis", "dedupe", "redis rss"]
        print("MiB; " + ", ".join(f"{name} is steady" for name in self.steady))
        print(f"{'MINUTE':>6} {'EVENTS':>9} {'OPEN':>6} {'FAULTS':>6} " + " ".join(f"{name:>9}" for name in names))

    def print_minute(self, medians: dict[str, float]) -> None:
        """Print one row."""
        names = [*self.steady, *self.disturbed, "redis", "dedupe", "redis rss"]
        figures = " ".join(f"{medians.get(name, 0) / MIB:>9.2f}" for name in names)
        number, events = len(self.minutes.figures["redis"]), self.ledger.report().events
        print(f"{number:>6} {events:>9,} {medians.get('open', 0):>6.0f} {self.faults:>6} {figures}", flush=True)

    def growth(self, warm_up: int) -> dict[str, float]:
        """How far from flat each judged program is."""
        spreads = self.minutes.spreads(warm_up)
        return {name: round(spreads[name], 4) for name in (*self.steady, "redis") if name in spreads}


async def set_up(stage: Stage, **environ: str) -> Soak:
    """Start servers and programs."""
    ledger = BoundedLedger(Journal(stage.folder / "journal"))
    stage.ledger = ledger
    server = await stage.valkey()
    for group in ("alpha", "beta"):
        ledger.expect(group)
    ingests = [await stage.ingest(server.url) for _ in range(2)]
    workers = [await stage.worker(server.url, "alpha", "beta", **(RETENTION | environ)) for _ in range(3)]
    steady = {"ingest": ingests[0], "worker": workers[0]}
    disturbed = {"ingest 2": ingests[1], "worker 2": workers[1], "worker 3": workers[2]}
    return Soak(stage, ledger, server, connect(server.url, "soak", connections=1), steady, disturbed)


async def drive(soak: Soak, seconds: float, rate: float) -> None:
    """Cause load and faults for that long. Raises AssertionError unless every event is accounted for afterwards."""
    sender = await soak.stage.sender(soak.steady["ingest"], soak.disturbed["ingest 2"])
    soak.print_head()
    end_at = time.monotonic() + seconds
    duties = [asyncio.create_task(soak.break_something()), asyncio.create_task(soak.watch())]
    try:
        await sender.load(rate, lambda: time.monotonic() >= end_at or any(duty.done() for duty in duties), soak.event)
        for duty in duties:
            if duty.done():
                duty.result()
    finally:
        for duty in duties:
            duty.cancel()
        await asyncio.gather(*duties, return_exceptions=True)
        await soak.client.aclose()
    await soak.stage.until_accounted(soak.server)
    soak.stage.check_logs()


async def run(minutes: int, rate: float, seed: int) -> dict[str, Any]:
    """Run the whole soak. Returns the object of its last line."""
    folder = Path(tempfile.mkdtemp(prefix="hookbus-soak-"))
    warm_up = max(1, min(WARM_UP, minutes // 3))
    why = ""
    print(f"seed {seed}, {minutes} minutes of {rate:g} events a second, of which {warm_up} to warm up", flush=True)
    async with Stage(folder, seed, is_short=False) as stage:
        soak = await set_up(stage)
        try:
            await drive(soak, minutes * MINUTE_S + 2 * POLL_S, rate)
        except Exception as error:
            why = str(error) or type(error).__name__
        report, growth = soak.ledger.report(), soak.growth(warm_up)
        uneven = [name for name, share in growth.items() if share > TOLERANCE]
        why = why or (f"not flat: {', '.join(uneven)}" if uneven else "")
        is_failed = bool(why or report.lost)
        if is_failed:
            stage.save_logs()
    if is_failed:
        shutil.copytree(folder, FAILED_RUNS / f"soak-{seed}", dirs_exist_ok=True, ignore_dangling_symlinks=True)
    shutil.rmtree(folder, ignore_errors=True)
    return {
        "soak": "failed" if is_failed else "ok",
        "why": why,
        "minutes": minutes,
        "events": report.events,
        "lost": report.lost,
        "duplicates": report.duplicates,
        "faults": soak.faults,
        "farthest_from_flat": growth,
    }


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="make soak", description="Constant load with faults. Memory must stay flat.")
    parser.add_argument("--minutes", type=int, default=30)
    parser.add_argument("--rate", type=float, default=RATE, help="events a second")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = random.randrange(2**32) if options.seed is None else options.seed
    summary = asyncio.run(run(options.minutes, options.rate, seed))
    print(json.dumps(summary), flush=True)
    return 0 if summary["soak"] == "ok" else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
