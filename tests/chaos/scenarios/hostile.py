"""Clients without a secret, many kinds at once, and one honest sender beside them."""

import asyncio
import contextlib
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from hookbus.shared import descriptors
from hookbus.shared.keys import Keys
from hookbus.shared.valkey import Valkey
from tests.chaos.clients.resource_hogs import ResourceHogs
from tests.chaos.harness.scenario import scenario
from tests.chaos.harness.sender import Sender
from tests.chaos.harness.stage import Stage
from tests.chaos.harness.supervised import Supervised
from tests.programs import ROOT, event_body

ATTACKERS: Final = 2
RATE: Final = 50.0
"""Honest events a second."""
P99_S: Final = 2.0
"""For honest events. Alone they take some ms; here ingest and its attackers share two cores, and each forgery that was
read before an honest request is answered first."""
FULL_TIMEOUT_S: Final = 3.0
SHORT_TIMEOUT_S: Final = 1.0
"""For heads and bodies."""
HELD_S: Final = 4.0
"""How much longer a slow client may stay: a sweep, a slow piece, the reading of the answer."""
INFLIGHT_BYTES: Final = 16 * 1024 * 1024
EXPECTED: Final = frozenset(("408", "413", "415", "503"))
"""For a slow head or body, a large one, a gzip bomb, and slow bodies that are too many."""
MISSING_S: Final = 10.0
"""How long to wait at the end for missing ones."""
IDLE_BYTES: Final = 12 * 1024
"""For an idle connection; 9 KiB were measured."""
REST_BYTES: Final = 24 * 1024 * 1024
"""For bodies that aiohttp has read before it closes the connection (2 × 64 KiB and a read of 256 KiB, on a hundred
connections), and for memory that Python's allocator does not release."""
LINES_PER_S: Final = 5 * 12
"""Throttled lines of each code, of which there are a dozen."""


class Memory:
    """The resident memory of a process in bytes, sampled often."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self.start = self.highest = self._now()

    async def watch(self) -> None:
        while True:
            self.highest = max(self.highest, self._now())
            await asyncio.sleep(0.1)

    def _now(self) -> int:
        line = next(line for line in self._status.read_text().splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) * 1024


@scenario("hostile", "G8: no forgery, no 500, no traceback, bounded memory and log; honest requests are served")
async def clients_without_a_secret(stage: Stage) -> None:
    server = await stage.valkey(appendfsync="always")
    timeout_s = stage.scale(FULL_TIMEOUT_S, SHORT_TIMEOUT_S)
    limits = {
        "HOOKBUS_INGEST_HEADER_TIMEOUT_S": f"{timeout_s}",
        "HOOKBUS_INGEST_BODY_TIMEOUT_S": f"{timeout_s}",
        "HOOKBUS_INGEST_MAX_INFLIGHT_BYTES": f"{INFLIGHT_BYTES}",
    }
    ingest = await stage.ingest(server.url, **limits)
    sender = await stage.sender(ingest)
    began_at, memory, took_s = time.monotonic(), Memory(ingest.pid), list[float]()
    idle = descriptors.room_for(stage.scale(5000, 200))
    hogs = ResourceHogs(port_of(ingest), stage.rng)
    watching = asyncio.create_task(memory.watch())
    try:
        await hogs.be_idle(idle)
        answers = await attacked(stage, ingest, hogs, lambda: honest(sender, took_s))
    finally:
        watching.cancel()
        await hogs.leave()
    assert not watching.done() or watching.cancelled(), watching.exception()
    check_patience(hogs, timeout_s + HELD_S)
    check_answers(answers + hogs.answers, sender)
    check_speed(stage, sorted(took_s))
    check_memory(stage, memory, idle)
    check_log(ingest, time.monotonic() - began_at)
    check_streams(server, stage)
    stage.ledger.facts["refused"] = f"{(answers + hogs.answers).total():,}"


async def attacked(
    stage: Stage, ingest: Supervised, hogs: ResourceHogs, send: Callable[[], asyncio.Future[None]]
) -> Counter[str]:
    """Send honest events for as long as the attack lasts. Returns the answers to the attackers."""
    count = stage.scale(210_000, 4000) // ATTACKERS
    is_over = asyncio.Event()
    answers: Counter[str] = Counter()
    async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        seeds = [stage.rng.getrandbits(32) for _ in range(ATTACKERS)]
        attackers = [await stack.enter_async_context(attacker(port_of(ingest), seed, count)) for seed in seeds]
        for _ in range(stage.scale(240, 120)):  # half of them bodies: far more than may be in flight
            group.create_task(hogs.be_slow(is_over.is_set))
        for _ in range(stage.scale(12, 4)):
            group.create_task(hogs.be_large(is_over.is_set))
        sending = group.create_task(at_a_rate(send, is_over))
        for process in attackers:
            out, _ = await process.communicate()
            answers.update(json.loads(out))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(hogs.until_answered(EXPECTED), MISSING_S)
        is_over.set()
        await sending
    return answers


@contextlib.asynccontextmanager
async def attacker(port: int, seed: int, count: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that attacks. It ends with the block."""
    arguments = (sys.executable, "-m", "tests.chaos.clients.attack", str(port), str(seed), str(count))
    process = await asyncio.create_subprocess_exec(*arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def at_a_rate(send: Callable[[], asyncio.Future[None]], is_over: asyncio.Event) -> None:
    """Send without waiting for answers, then wait for them all."""
    sent = []
    while not is_over.is_set():
        sent.append(send())
        await asyncio.sleep(1 / RATE)
    await asyncio.gather(*sent)


def honest(sender: Sender, took_s: list[float]) -> "asyncio.Future[None]":
    """Send one event, and record how long it took until it was accepted."""

    async def send() -> None:
        began_at = time.monotonic()
        await sender.send()
        took_s.append(time.monotonic() - began_at)

    return asyncio.ensure_future(send())


def port_of(ingest: Supervised) -> int:
    """The port that it listens on."""
    return int(ingest.program.port)


def check_answers(answers: Counter[str], sender: Sender) -> None:
    """Hostile clients got only refusals, the honest sender only 200s."""
    wrong = {status: count for status, count in answers.items() if status not in REFUSALS}
    assert not wrong, f"hostile clients were answered {wrong}"
    assert not sender.refused, f"honest requests were refused: {dict(sender.refused)}"


REFUSALS: Final = {"100", "400", "401", "404", "405", "408", "413", "415", "503", "closed"}


def check_speed(stage: Stage, took_s: list[float]) -> None:
    """Honest requests are quick."""
    p99_s = took_s[int(len(took_s) * 0.99)]
    stage.ledger.facts["p99"] = f"{p99_s * 1000:.0f} ms"
    assert p99_s < P99_S, f"honest requests took {p99_s:.2f} s (p99)"


def check_patience(hogs: ResourceHogs, max_s: float) -> None:
    """Slow clients were disconnected in time."""
    missing = EXPECTED - hogs.answers.keys()
    assert not missing, f"no hostile client was answered {sorted(missing)}"
    longest_s = max(hogs.held_s)
    assert longest_s < max_s, f"a slow client held its connection for {longest_s:.1f} s"


def check_memory(stage: Stage, memory: Memory, idle: int) -> None:
    """Memory grew by no more than the limits allow."""
    grown, allowed = memory.highest - memory.start, idle * IDLE_BYTES + INFLIGHT_BYTES + REST_BYTES
    stage.ledger.facts["idle"] = f"{idle:,}"
    stage.ledger.facts["grown"] = f"{grown / 2**20:.0f} of {allowed / 2**20:.0f} MiB"
    assert grown < allowed, f"ingest grew by {grown / 2**20:.0f} MiB; {allowed / 2**20:.0f} are allowed"


def check_log(ingest: Supervised, seconds: float) -> None:
    """Few lines, none an error, and no restart."""
    assert ingest.deaths == 0, "ingest died of it"
    lines = ingest.program.lines
    assert len(lines) < 50 + LINES_PER_S * seconds, f"{len(lines)} log lines in {seconds:.0f} s"
    errors = [line for line in lines if line.get("level") in ("error", "critical")]
    assert not errors, f"an error was logged: {errors[0].get('event')}"


def check_streams(server: Valkey, stage: Stage) -> None:
    """The stored bodies are those of the honest sender, byte by byte."""
    names, stored = Keys(0), []
    with server.client() as client:
        for kind in client.smembers(names.types):
            stored += client.xrange(names.stream(kind.decode()))
    bodies = {fields[b"id"].decode(): fields[b"body"] for _, fields in stored}
    forged = bodies.keys() - stage.ledger.accepted.keys()
    assert not forged, f"{len(forged)} forgeries were stored: {sorted(forged)[:3]}"
    assert set(bodies.values()) <= {event_body()}, "a stored body was not signed"
    assert len(stored) == len(stage.ledger.accepted), "not every accepted event is stored, once"
