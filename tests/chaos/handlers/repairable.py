"""Two groups whose handlers are broken until a restart without `CHAOS_BROKEN` repairs them.

Broken, `dead_lettered` makes a dead letter of every delivery, each in its way (`data.how`: reject, raise, or a
`data.number` that is no number), and `parked` defers every delivery by an hour. Repaired, both handle everything but
`hopeless` deliveries.
"""

import os
from typing import Final

import msgspec

from hookbus import App, Delivery, Reject, Retry, RetryLater
from tests.chaos.handlers.scripted import record
from tests.chaos.harness.journal import HANDLED

LATER_S: Final = 3600.0
CONCURRENCY: Final = 100

dead_lettered = App("dead_lettered")
parked = App("parked")


class Numbered(msgspec.Struct):
    number: int
    how: str


class Event(msgspec.Struct):
    data: Numbered


async def fail(event: Event) -> None:
    if event.data.how == "reject":
        raise Reject("no customer of that name")
    raise LookupError("no such customer")


async def defer(event: dict) -> None:
    raise RetryLater(LATER_S)


async def handle(event: dict, delivery: Delivery) -> None:
    if event["data"].get("hopeless") and delivery.group == "dead_lettered":
        raise Reject("hopeless")
    record(HANDLED, delivery)


# No breaker: all deliveries fail here on purpose.
if os.environ.get("CHAOS_BROKEN"):
    dead_lettered.on("*", breaker=None, retry=Retry(attempts=1))(fail)
    parked.on("*", breaker=None)(defer)
else:
    for app in (dead_lettered, parked):
        app.on("*", breaker=None, concurrency=CONCURRENCY)(handle)
