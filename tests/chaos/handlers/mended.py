"""Two groups whose handlers are broken until somebody mends them: by a restart without `CHAOS_BROKEN`.

Broken, `buried` makes a dead letter of every delivery, each in its way (`data.how`: reject, raise, or a `data.number`
that is none), and `parked` asks to be tried again in an hour. Mended, both handle everything but what is `hopeless`.
"""

import os
from typing import Final

import msgspec

from hookbus import App, Delivery, Reject, Retry, RetryLater
from tests.chaos.handlers.scripted import note
from tests.chaos.harness.journal import HANDLED

LATER_S: Final = 3600.0
CONCURRENCY: Final = 100

buried = App("buried")
parked = App("parked")


class Numbered(msgspec.Struct):
    number: int
    how: str


class Event(msgspec.Struct):
    data: Numbered


async def fall_over(event: Event) -> None:
    if event.data.how == "reject":
        raise Reject("nobody here by that name")
    raise LookupError("no such customer")


async def defer(event: dict) -> None:
    raise RetryLater(LATER_S)


async def handle(event: dict, delivery: Delivery) -> None:
    if event["data"].get("hopeless") and delivery.group == "buried":
        raise Reject("hopeless")
    note(HANDLED, delivery)


# No breaker: that all fail here is the plan.
if os.environ.get("CHAOS_BROKEN"):
    buried.on("*", breaker=None, retry=Retry(attempts=1))(fall_over)
    parked.on("*", breaker=None)(defer)
else:
    for app in (buried, parked):
        app.on("*", breaker=None, concurrency=CONCURRENCY)(handle)
