"""A group with four subscriptions: healthy, failing, slow, and one to pause; and a group with the healthy one alone."""

import asyncio

from hookbus import App, Breaker, Delivery, Retry
from tests.chaos.handlers.scripted import record
from tests.chaos.harness.journal import BEGAN, HANDLED

crowded = App("crowded")
BREAKER = Breaker(failures=20, delay=1, cap=5)
alone = App("alone")


@alone.on("response.completed", concurrency=10)
@crowded.on("response.completed", concurrency=10)
async def succeed(event: dict, delivery: Delivery) -> None:
    record(BEGAN, delivery)
    record(HANDLED, delivery)


@crowded.on(
    "batch.failed", concurrency=10, retry=Retry(base=0.2, factor=1), breaker=Breaker(failures=20, delay=1, cap=5)
)
async def fail(event: dict, delivery: Delivery) -> None:
    raise ConnectionError("upstream is unreachable")


@crowded.on("batch.completed", concurrency=10, timeout=25)
async def sleep(event: dict, delivery: Delivery) -> None:
    await asyncio.sleep(20)


@crowded.on("response.failed", concurrency=10)
async def start_although_paused(event: dict, delivery: Delivery) -> None:
    record(BEGAN, delivery)
