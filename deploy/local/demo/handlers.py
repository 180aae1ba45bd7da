"""The handlers of the demo, in two groups. Each writes its starts and ends into the demo's own record.

billing   typed handlers: one flaky, one broken, one slow
audit     one plain function for all types
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.local.demo import plan
from deploy.local.demo.book import Book
from hookbus import App, Delivery, Retry
from hookbus.events import (
    BatchCompleted,
    Event,
    RealtimeCallIncoming,
    ResponseCompleted,
    ResponseFailed,
    VideoCompleted,
)

LONG_S = 25.0
"""Longer than any wait of the demo, and less than the handler timeout."""

book = Book(os.environ["HOOKBUS_REDIS_URL"])
billing = App("billing")
audit = App("audit")


@contextmanager
def attempt(delivery: Delivery) -> Iterator[int]:
    """Record the start and, unless the block raises, the end. Yields the number of starts so far."""
    yield book.write("started", delivery, os.getpid())
    book.write("handled", delivery, os.getpid())


@billing.on("response.completed")
async def charge(event: ResponseCompleted, delivery: Delivery) -> None:
    """Works."""
    with attempt(delivery):
        assert event.data.id


@billing.on(plan.FLAKY_TYPE, retry=Retry(attempts=5, base=0.3))
async def refund(event: ResponseFailed, delivery: Delivery) -> None:
    """Fails twice, then works, like a service that is down for a moment."""
    with attempt(delivery):
        if delivery.attempt <= plan.FLAKY_FAILURES:
            raise ConnectionError("the refund desk is closed")


@billing.on(plan.BROKEN_TYPE, retry=Retry(attempts=plan.BROKEN_ATTEMPTS, base=0.2))
def bill(event: BatchCompleted, delivery: Delivery) -> None:
    """Fails every time until it is fixed. A plain function runs in a thread."""
    with attempt(delivery):
        if not book.is_fixed:
            raise KeyError("customer")


@billing.on(plan.LONG_TYPE)
async def publish(event: VideoCompleted, delivery: Delivery) -> None:
    """Takes long at the first attempt of one event."""
    with attempt(delivery) as starts:
        if event.data.id == plan.LONG_ID and starts == 1:
            await asyncio.sleep(LONG_S)


@billing.on("realtime.call.incoming", timeout=5, max_age=60)
async def answer(event: RealtimeCallIncoming, delivery: Delivery) -> None:
    """Works."""
    with attempt(delivery):
        assert event.data.call_id


@billing.on("response.*")
@billing.on("batch.*")
@billing.on("video.*")
async def ignore(event: Event, delivery: Delivery) -> None:
    """All other types of these families; a more specific subscription wins."""
    with attempt(delivery):
        assert event.type == delivery.type


@audit.on("*")
def note(event: Event, delivery: Delivery) -> None:
    """All types, including those that this release does not model."""
    with attempt(delivery):
        assert event.type == delivery.type
