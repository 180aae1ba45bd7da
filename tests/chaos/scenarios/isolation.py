"""A healthy subscription beside one that fails, one that is slow and one that is paused."""

import asyncio
import subprocess
import time
from typing import Final

from shared.connection import connect
from shared.keys import Keys
from tests.chaos.ledger import Ledger
from tests.chaos.scenario import scenario
from tests.chaos.sender import Sender
from tests.chaos.stage import Stage
from tests.programs import BIN, ROOT
from tests.wait import until

APPS: Final = "tests.chaos.neighbours:ward"
HEALTHY: Final = "response.completed"
OTHERS: Final = ("batch.failed", "batch.completed", "response.failed")
"""Failing, slow and paused, in this order."""
RATE: Final = 60.0
"""Events a second of the healthy subscription, and as many of all the others together: far below saturation."""
MOST: Final = 2.0
FLOOR_MS: Final = 10.0
"""Below this a p99 is the scheduler's and not ours."""


@scenario("isolation", "G7: a failing, a slow and a paused subscription do not delay the healthy one beside them")
async def one_is_healthy(stage: Stage) -> None:
    server = await stage.valkey()
    ingest = await stage.ingest(server.url)
    stage.ledger.expect("ward", lambda kind: kind == HEALTHY)
    worker = await stage.worker(server.url, APPS)
    subprocess.run(
        [str(BIN / "hookbus-worker"), "pause", "ward", OTHERS[2]],
        env={"HOOKBUS_REDIS_URL": server.url}, cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    sender = await stage.sender(ingest)
    count = stage.scale(300, 120)
    alone, beside = [], []
    # Alternating, as whatever else this machine does comes and goes.
    for _ in range(stage.scale(3, 2)):
        alone += await healthy(stage, sender, count)
        crowd = asyncio.create_task(neighbours(sender, count))
        beside += await healthy(stage, sender, count)
        await crowd
    await until(lambda: all(name in stage.ledger.handled("ward") for name in healthy_names(stage.ledger)))
    before_ms, after_ms = p99(alone), p99(beside)
    stage.ledger.facts["p99 alone"] = f"{before_ms:.1f} ms"
    stage.ledger.facts["beside"] = f"{after_ms:.1f} ms"
    opened = worker.logged("breaker_opened", pattern=OTHERS[0])
    assert opened, "the failing subscription was not stopped"
    client = connect(server.url, "chaos", connections=1)
    held = await client.execute_command("XLEN", Keys(0).stream(OTHERS[2]))
    await client.aclose()
    assert held >= count // 3, "what is paused was not kept"
    assert not [n for n in stage.ledger.accepted if kind_of(stage, n) == OTHERS[2] and stage.ledger.notes("ward", n)]
    assert after_ms <= max(MOST * before_ms, FLOOR_MS), f"p99 {after_ms:.1f} ms, alone {before_ms:.1f} ms"


def kind_of(stage: Stage, name: str) -> str:
    """The type of an event."""
    return stage.ledger.accepted[name]


def healthy_names(ledger: Ledger) -> list[str]:
    """The webhook-ids of the healthy subscription."""
    return [name for name, kind in ledger.accepted.items() if kind == HEALTHY]


async def healthy(stage: Stage, sender: Sender, count: int) -> list[float]:
    """Events at a steady rate; for each the milliseconds from its first request to its start."""
    sent: dict[str, float] = {}

    async def one() -> None:
        began_at_s = time.monotonic()
        sent[await sender.send()] = began_at_s

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(one())
            await asyncio.sleep(1 / RATE)
    await until(lambda: all(stage.ledger.notes("ward", name) for name in sent))
    return [(stage.ledger.notes("ward", name)[0].at_s - at_s) * 1000 for name, at_s in sent.items()]


async def neighbours(sender: Sender, count: int) -> None:
    """As many events for the other three."""
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(sender.send(event_type=OTHERS[number % 3]))
            await asyncio.sleep(1 / RATE)


def p99(values_ms: list[float]) -> float:
    """The 99th percentile."""
    return sorted(values_ms)[int(len(values_ms) * 0.99)]
