"""Apps that the end-to-end tests run. Each notes in Redis what it did, outside of hookbus's keys."""

import asyncio
import contextlib
import json
import os
import signal
import threading
import time

import redis

from hookbus import App, Breaker, Delivery, Reject, Retry, RetryLater
from tests.deaths import WAYS

notes = redis.Redis.from_url(os.environ["TEST_REDIS_URL"], protocol=2)


def note(delivery: Delivery, what: str = "handled") -> None:
    """Append to the list of one group."""
    notes.rpush(f"test:{what}:{delivery.group}", delivery.webhook_id)


async def released(key: str = "test:go") -> None:
    """Wait until the test lets go."""
    while not notes.get(key):  # noqa: ASYNC110 - what it waits for is in Redis
        await asyncio.sleep(0.02)


plain = App("plain")
other = App("other")
flaky = App("flaky")
failing = App("failing")
slow = App("slow")
deadly = App("deadly")
flaky_slow = App("flaky_slow")
stubborn = App("stubborn")
quiet = App("quiet")
late = App("late", start="latest")
broken = App("broken")
repeated = App("repeated")
fatal = App("fatal")


@plain.on("*")
@other.on("*")
async def handle(event: dict, delivery: Delivery) -> None:
    note(delivery)


@late.on("*")
async def handle_late(event: dict, delivery: Delivery) -> None:
    note(delivery)


@flaky.on("*", retry=Retry(attempts=5, base=0.3, factor=2))
async def fail_twice(event: dict, delivery: Delivery) -> None:
    notes.rpush(f"test:attempts:{delivery.group}", f"{delivery.attempt} {time.time()}")
    if delivery.attempt < 3:
        raise ValueError(f"attempt {delivery.attempt}")
    note(delivery)


@failing.on("response.failed", retry=Retry(attempts=3, base=0.05))
def always_fail(event: dict, delivery: Delivery) -> None:
    note(delivery, "attempts")
    if notes.get("test:fixed"):
        note(delivery)
        return
    raise KeyError("always")


@failing.on("response.cancelled")
async def reject(event: dict) -> None:
    raise Reject("not for us")


@failing.on("batch.*", retry=Retry(attempts=2))
async def later(event: dict, delivery: Delivery) -> None:
    if delivery.attempt == 1:
        raise RetryLater(0.2)
    note(delivery)


@slow.on("*", concurrency=50, timeout=60)
async def wait_for_release(event: dict, delivery: Delivery) -> None:
    """Runs until the test lets it go."""
    note(delivery, "started")
    await released()
    note(delivery)


@flaky_slow.on("*", timeout=60)
async def fail_when_told(event: dict, delivery: Delivery) -> None:
    note(delivery, "started")
    await released()
    if notes.get("test:fail"):
        raise ValueError("too late")
    note(delivery)


@quiet.on("*")
async def print_only(event: dict, delivery: Delivery) -> None:
    """For tests in which Redis takes no notes."""
    print(json.dumps({"event": "handled", "webhook_id": delivery.webhook_id}), flush=True)


@stubborn.on("response.completed", timeout=0.5)
async def swallow_every_cancellation(event: dict, delivery: Delivery) -> None:
    note(delivery, "started")
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await released()


@stubborn.on("batch.failed", timeout=0.5)
def hang_in_a_thread(event: dict, delivery: Delivery) -> None:
    note(delivery, "started")
    threading.Event().wait()


@deadly.on("*", concurrency=100)
async def die_of_some(event: dict, delivery: Delivery) -> None:
    """Kills its process when the event says so; the others take a moment, so that they are in flight then."""
    if event["data"]["id"] == "killer":
        note(delivery, "deaths")
        os.kill(os.getpid(), signal.SIGKILL)
    await asyncio.sleep(0.02)
    note(delivery)


@broken.on("response.*", concurrency=5, retry=Retry(attempts=50, base=0.05, factor=1), breaker=Breaker(5, 0.4, 0.8))
async def fail_while_broken(event: dict, delivery: Delivery) -> None:
    notes.rpush("test:tries:broken", time.time())
    if notes.get("test:broken"):
        raise ConnectionError("what it needs is away")
    note(delivery)


@repeated.on("*", concurrency=10, timeout=60, retry=Retry(attempts=2, base=0.05))
async def tell_replays(event: dict, delivery: Delivery) -> None:
    what = "replay" if delivery.is_replay else "first"
    note(delivery, f"{what}:{delivery.attempt}")
    if delivery.is_replay and notes.get("test:fail"):
        await released()
        raise ValueError("not again")
    note(delivery, what)


@broken.on("batch.*")
async def never_mind(event: dict, delivery: Delivery) -> None:
    note(delivery)


@fatal.on("*", concurrency=100, timeout=60)
async def die_as_told(event: dict, delivery: Delivery) -> None:
    note(delivery, "started")
    if way := WAYS.get(event["data"]["id"]):
        await released("test:armed")  # what runs beside it has begun
        await way()
    await released()
    note(delivery)
