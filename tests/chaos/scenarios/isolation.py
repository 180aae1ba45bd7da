"""A healthy subscription beside one that fails, one that is slow and one that is paused."""

import asyncio
import subprocess
import time
from typing import Final

from hookbus.shared.connection import connect
from hookbus.shared.keys import Keys
from tests.chaos.harness.ledger import Ledger
from tests.chaos.harness.scenario import scenario
from tests.chaos.harness.sender import Sender
from tests.chaos.harness.stage import Stage
from tests.programs import BIN, ROOT
from tests.wait import until

APPS: Final = "tests.chaos.handlers.neighbours"
HEALTHY: Final = "response.completed"
OTHERS: Final = ("batch.failed", "batch.completed", "response.failed")
"""Failing, slow and paused, in this order."""
RATE: Final = 60.0
"""Events a second for the healthy subscription, and as many for all the others together: far below saturation."""
MAX: Final = 2.0
FLOOR_MS: Final = 10.0
"""Below this a p99 is the scheduler's and not hookbus's."""
ROUNDS: Final = 3
"""The machine may hold up one of the two processes for a round; a neighbour holds it up in each."""


@scenario("isolation", "G7: a failing, a slow and a paused subscription do not delay the healthy one beside them")
async def one_is_healthy(stage: Stage) -> None:
    server = await stage.valkey()
    ingest = await stage.ingest(server.url)
    for group in ("alone", "crowded"):
        stage.ledger.expect(group, lambda kind: kind == HEALTHY)
    # The same events, at the same moments, in a process that does nothing else: other load of the machine is in both.
    await stage.worker(server.url, f"{APPS}:alone")
    worker = await stage.worker(server.url, f"{APPS}:crowded")
    subprocess.run(
        [str(BIN / "hookbus-worker"), "pause", "crowded", OTHERS[2]],
        env={"HOOKBUS_REDIS_URL": server.url}, cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    await worker.program.until_logged("paused")
    sender = await stage.sender(ingest)
    count = stage.scale(1800, 300)
    for _ in range(ROUNDS):
        before_ms, after_ms = await measure(stage, sender, count)
        limit_ms = max(MAX * before_ms, FLOOR_MS)
        if after_ms <= limit_ms:
            break
    stage.ledger.facts["p99 alone"] = f"{before_ms:.1f} ms"
    stage.ledger.facts["beside"] = f"{after_ms:.1f} ms"
    opened = worker.logged("breaker_opened", pattern=OTHERS[0])
    assert opened, "the failing subscription was not suspended"
    client = connect(server.url, "chaos", connections=1)
    in_flight = await client.execute_command("XLEN", Keys(0).stream(OTHERS[2]))
    await client.aclose()
    assert in_flight >= count // 3, "paused events were not kept"
    assert not [
        n for n in stage.ledger.accepted if kind_of(stage, n) == OTHERS[2] and stage.ledger.entries("crowded", n)
    ]
    assert after_ms <= limit_ms, f"p99 {after_ms:.1f} ms, alone {before_ms:.1f} ms"


async def measure(stage: Stage, sender: Sender, count: int) -> tuple[float, float]:
    """The 99th percentiles of the healthy one, alone and crowded, while the others get as many events."""
    crowd = asyncio.create_task(neighbours(sender, count))
    sent = await healthy(sender, count)
    await crowd
    await until(lambda: not stage.ledger.missing())
    alone_ms, crowded_ms = (p99(stage.ledger, group, sent) for group in ("alone", "crowded"))
    return alone_ms, crowded_ms


def kind_of(stage: Stage, name: str) -> str:
    """The type of an event."""
    return stage.ledger.accepted[name]


async def healthy(sender: Sender, count: int) -> dict[str, float]:
    """Send events at a steady rate. Returns the start of each webhook-id's first request (monotonic seconds)."""
    sent: dict[str, float] = {}

    async def send() -> None:
        began_at_s = time.monotonic()
        sent[await sender.send()] = began_at_s

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(send())
            await asyncio.sleep(1 / RATE)
    return sent


async def neighbours(sender: Sender, count: int) -> None:
    """Send as many events for the other three."""
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(sender.send(event_type=OTHERS[number % 3]))
            await asyncio.sleep(1 / RATE)


def p99(ledger: Ledger, group: str, sent: dict[str, float]) -> float:
    """The 99th percentile of the time until a group began, in milliseconds."""
    waits_ms = sorted((ledger.entries(group, name)[0].at_s - at_s) * 1000 for name, at_s in sent.items())
    return waits_ms[int(len(waits_ms) * 0.99)]
