"""Groups that are slow in their own ways, or watch the clock."""

import time

from hookbus import App, Delivery, Retry
from tests.chaos.handlers.scripted import note, obey
from tests.chaos.harness.journal import BEGAN, HANDLED

blocking = App("blocking")
punctual = App("punctual")


@blocking.on("*", retry=Retry(attempts=2, base=0.2))
async def block(event: dict, delivery: Delivery) -> None:
    """Blocks the event loop, as a handler does that computes."""
    note(BEGAN, delivery)
    time.sleep(float(event["data"]["do"][0]))  # noqa: ASYNC251 - on purpose
    note(HANDLED, delivery)


@punctual.on("*", max_age=600, retry=Retry(attempts=5, base=1, factor=1), breaker=None)
async def be_punctual(event: dict, delivery: Delivery) -> None:
    note(BEGAN, delivery)
    words = event["data"]["do"]
    await obey(words[min(delivery.attempt, len(words)) - 1])
    note(HANDLED, delivery)
