"""A group with four subscriptions: healthy, failing, slow, and one to be paused; and one with the healthy one alone."""

import asyncio

from hookbus import App, Breaker, Delivery, Retry
from tests.chaos.handlers.scripted import note
from tests.chaos.harness.journal import BEGAN, HANDLED

ward = App("ward")
alone = App("alone")


@alone.on("response.completed", concurrency=10)
@ward.on("response.completed", concurrency=10)
async def be_well(event: dict, delivery: Delivery) -> None:
    note(BEGAN, delivery)
    note(HANDLED, delivery)


@ward.on("batch.failed", concurrency=10, retry=Retry(base=0.2, factor=1), breaker=Breaker(failures=20, delay=1, cap=5))
async def always_fail(event: dict, delivery: Delivery) -> None:
    raise ConnectionError("what it needs is away")


@ward.on("batch.completed", concurrency=10, timeout=25)
async def be_slow(event: dict, delivery: Delivery) -> None:
    await asyncio.sleep(20)


@ward.on("response.failed", concurrency=10)
async def be_paused(event: dict, delivery: Delivery) -> None:
    note(BEGAN, delivery)
