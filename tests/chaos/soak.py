"""`make soak MINUTES=30`: constant load with failures and restarts, and a look at memory each minute.

Two ingests and three workers. One of each is left alone, and its memory has to stay flat, as has Redis' but for the
dedupe's sets, which grow by 45 bytes an event for as long as their window is. The others are killed and restarted,
connections are cut and scripts flushed. The last line is one JSON object; the exit code is 1 when memory was not flat
after the warm-up, or anything was lost.

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

from deploy.local.valkey import Valkey
from hookbus.shared.connection import FAULTS, connect
from hookbus.shared.keys import Keys
from tests.chaos.harness.flatness import TOLERANCE, Minutes, redis_bytes, rss_bytes
from tests.chaos.harness.journal import Journal
from tests.chaos.harness.kept import Kept
from tests.chaos.harness.lean import LeanLedger
from tests.chaos.harness.runner import KEPT
from tests.chaos.harness.stage import Stage

RATE: Final = 300.0
MINUTE_S: Final = 60.0
POLL_S: Final = 1.0
FAULT_EVERY_S: Final = 12.0
WARM_UP: Final = 5
"""Minutes at most, and a third of all: until each handler, each type and each fault has been met a few times."""
RETENTION: Final = {"HOOKBUS_WORKER_RETENTION_S": "20", "HOOKBUS_WORKER_ORPHAN_RETENTION_S": "20"}
"""So short that what is stored has reached its plateau within the first minute."""
TYPES: Final = ("response.completed", "batch.completed", "response.failed", "eval.run.succeeded")
MIB: Final = 1024 * 1024


@dataclass(slots=True)
class Soak:
    """What runs. `still` are left alone and judged; `restless` are killed and restarted."""

    stage: Stage
    ledger: LeanLedger
    server: Valkey
    client: Redis
    still: dict[str, Kept]
    restless: dict[str, Kept]
    minutes: Minutes = field(default_factory=Minutes)
    faults: int = 0

    def event(self, number: int) -> dict[str, Any]:
        """Some fail at first, some take a while; `filler` makes bodies of many sizes."""
        chance = self.stage.rng.random()
        do = ["fail", "ok"] if chance < 0.01 else [0.3] if chance < 0.03 else ["ok"]
        return {"event_type": TYPES[number % len(TYPES)], "do": do, "filler": "x" * self.stage.rng.randrange(400)}

    async def break_something(self) -> None:
        """One fault after the other, of each kind as often."""
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
        victim = self.restless[self.stage.rng.choice(sorted(self.restless))]
        await victim.ready()
        victim.signal(signal.SIGKILL)

    async def _restart(self) -> None:
        await self.restless[self.stage.rng.choice(sorted(self.restless))].restart()

    async def _cut(self) -> None:
        await self.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    async def _flush(self) -> None:
        await self.client.execute_command("SCRIPT", "FLUSH")

    async def watch(self) -> None:
        """Look each second, and print a line each minute."""
        minute_at = time.monotonic() + MINUTE_S
        while True:
            await asyncio.sleep(POLL_S)
            pids = {name: kept.pid for name, kept in (self.still | self.restless).items()}
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
        """The columns."""
        names = [*self.still, *self.restless, "redis", "dedupe", "redis rss"]
        print("MiB; " + ", ".join(f"{name} is left alone" for name in self.still))
        print(f"{'MINUTE':>6} {'EVENTS':>9} {'OPEN':>6} {'FAULTS':>6} " + " ".join(f"{name:>9}" for name in names))

    def print_minute(self, told: dict[str, float]) -> None:
        """One row."""
        names = [*self.still, *self.restless, "redis", "dedupe", "redis rss"]
        figures = " ".join(f"{told.get(name, 0) / MIB:>9.2f}" for name in names)
        number, events = len(self.minutes.figures["redis"]), self.ledger.report().events
        print(f"{number:>6} {events:>9,} {told.get('open', 0):>6.0f} {self.faults:>6} {figures}", flush=True)

    def growth(self, warm_up: int) -> dict[str, float]:
        """How far from flat each one is that is judged."""
        spreads = self.minutes.spreads(warm_up)
        return {name: round(spreads[name], 4) for name in (*self.still, "redis") if name in spreads}


async def set_up(stage: Stage, **environ: str) -> Soak:
    """Start everything."""
    ledger = LeanLedger(Journal(stage.folder / "journal"))
    stage.ledger = ledger
    server = await stage.valkey()
    for group in ("alpha", "beta"):
        ledger.expect(group)
    ingests = [await stage.ingest(server.url) for _ in range(2)]
    workers = [await stage.worker(server.url, "alpha", "beta", **(RETENTION | environ)) for _ in range(3)]
    still = {"ingest": ingests[0], "worker": workers[0]}
    restless = {"ingest 2": ingests[1], "worker 2": workers[1], "worker 3": workers[2]}
    return Soak(stage, ledger, server, connect(server.url, "soak", connections=1), still, restless)


async def drive(soak: Soak, seconds: float, rate: float) -> None:
    """Load and faults for that long; then everything must be accounted for. Raises AssertionError."""
    sender = await soak.stage.sender(soak.still["ingest"], soak.restless["ingest 2"])
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
    await soak.stage.accounted(soak.server)
    soak.stage.check_logs()


async def run(minutes: int, rate: float, seed: int) -> dict[str, Any]:
    """The whole soak; its last line."""
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
        bent = [name for name, share in growth.items() if share > TOLERANCE]
        why = why or (f"not flat: {', '.join(bent)}" if bent else "")
        is_failed = bool(why or report.lost)
        if is_failed:
            stage.save_logs()
    if is_failed:
        shutil.copytree(folder, KEPT / f"soak-{seed}", dirs_exist_ok=True, ignore_dangling_symlinks=True)
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
    """The exit code."""
    parser = argparse.ArgumentParser(prog="make soak", description="Constant load with faults; is memory flat?")
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
