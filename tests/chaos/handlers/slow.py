"""Groups whose handlers block the event loop, or depend on the time."""

import time

from hookbus import App, Delivery, Retry
from tests.chaos.handlers.scripted import obey, record
from tests.chaos.harness.journal import BEGAN, HANDLED

blocking = App("blocking")
punctual = App("punctual")


@blocking.on("*", retry=Retry(attempts=2, base=0.2))
async def block(event: dict, delivery: Delivery) -> None:
    """Block the event loop, as a computing handler does."""
    record(BEGAN, delivery)
    time.sleep(float(event["data"]["do"][0]))  # noqa: ASYNC251 - on purpose
    record(HANDLED, delivery)


@punctual.on("*", max_age=600, retry=Retry(attempts=5, base=1, factor=1), breaker=None)
async def be_punctual(event: dict, delivery: Delivery) -> None:
    record(BEGAN, delivery)
    words = event["data"]["do"]
    await obey(words[min(delivery.attempt, len(words)) - 1])
    record(HANDLED, delivery)
