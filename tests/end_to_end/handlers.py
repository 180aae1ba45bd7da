"""Apps that the end-to-end tests run. Each records in Redis what it did, outside of hookbus's keys."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
import time

import redis

from hookbus import App, Breaker, Delivery, Reject, Retry, RetryLater
from hookbus.events import Event
from tests.deaths import WAYS

recorder = redis.Redis.from_url(os.environ["TEST_REDIS_URL"], protocol=2)


def record(delivery: Delivery, kind: str = "handled") -> None:
    """Append the webhook-id to a list of its group."""
    recorder.rpush(f"test:{kind}:{delivery.group}", delivery.webhook_id)


async def released(key: str = "test:go") -> None:
    """Wait until the test sets the key."""
    while not recorder.get(key):  # noqa: ASYNC110 - the key is in Redis
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
narrow = App("narrow", source="openai")
foreign = App("foreign", source="claude")
broken = App("broken")
repeated = App("repeated")
fatal = App("fatal")
suspected = App("suspected")


@plain.on("*")
@other.on("*")
@narrow.on("*")
async def handle(event: dict, delivery: Delivery) -> None:
    record(delivery)


@late.on("*")
async def handle_late(event: dict, delivery: Delivery) -> None:
    record(delivery)


@flaky.on("*", retry=Retry(attempts=5, base=0.3, factor=2))
async def fail_twice(event: dict, delivery: Delivery) -> None:
    recorder.rpush(f"test:attempts:{delivery.group}", f"{delivery.attempt} {time.time()}")
    if delivery.attempt < 3:
        raise ValueError(f"attempt {delivery.attempt}")
    record(delivery)


@failing.on("response.failed", retry=Retry(attempts=3, base=0.05))
def always_fail(event: dict, delivery: Delivery) -> None:
    record(delivery, "attempts")
    if recorder.get("test:fixed"):
        record(delivery)
        return
    raise KeyError("always")


@failing.on("response.cancelled")
async def reject(event: dict) -> None:
    raise Reject("not for us")


@failing.on("batch.*", retry=Retry(attempts=2))
async def later(event: dict, delivery: Delivery) -> None:
    if delivery.attempt == 1:
        raise RetryLater(0.2)
    record(delivery)


@slow.on("*", concurrency=50, timeout=60)
async def wait_for_release(event: dict, delivery: Delivery) -> None:
    """Runs until the test releases it."""
    record(delivery, "started")
    await released()
    record(delivery)


@flaky_slow.on("*", timeout=60)
async def fail_if_the_test_asks(event: dict, delivery: Delivery) -> None:
    record(delivery, "started")
    await released()
    if recorder.get("test:fail"):
        raise ValueError("too late")
    record(delivery)


@quiet.on("*")
async def print_only(event: dict, delivery: Delivery) -> None:
    """For tests in which handlers cannot record in Redis. One write: `print` would write the line's end apart."""
    sys.stdout.write(json.dumps({"event": "handled", "webhook_id": delivery.webhook_id}) + "\n")
    sys.stdout.flush()


@stubborn.on("response.completed", timeout=0.5)
async def swallow_every_cancellation(event: dict, delivery: Delivery) -> None:
    record(delivery, "started")
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await released()


@stubborn.on("batch.failed", timeout=0.5)
def hang_in_a_thread(event: dict, delivery: Delivery) -> None:
    record(delivery, "started")
    threading.Event().wait()


@deadly.on("*", concurrency=100)
async def die_of_killers(event: dict, delivery: Delivery) -> None:
    """Kills its process for an event with the id "killer"; the others take a moment, to be in flight at that time."""
    if event["data"]["id"] == "killer":
        record(delivery, "deaths")
        os.kill(os.getpid(), signal.SIGKILL)
    await asyncio.sleep(0.02)
    record(delivery)


@broken.on("response.*", concurrency=5, retry=Retry(attempts=50, base=0.05, factor=1), breaker=Breaker(5, 0.4, 0.8))
async def fail_while_broken(event: dict, delivery: Delivery) -> None:
    recorder.rpush("test:tries:broken", time.time())
    if recorder.get("test:broken"):
        raise ConnectionError("its database is unreachable")
    record(delivery)


@repeated.on("*", concurrency=10, timeout=60, retry=Retry(attempts=2, base=0.05))
async def record_replays(event: dict, delivery: Delivery) -> None:
    kind = "replay" if delivery.is_replay else "first"
    record(delivery, f"{kind}:{delivery.attempt}")
    if delivery.is_replay and recorder.get("test:fail"):
        await released()
        raise ValueError("not again")
    record(delivery, kind)


@broken.on("batch.*")
async def handle_batches(event: dict, delivery: Delivery) -> None:
    record(delivery)


@fatal.on("*", concurrency=100, timeout=60)
async def die_by_the_way_of_the_event(event: dict, delivery: Delivery) -> None:
    record(delivery, "started")
    if way := WAYS.get(event["data"]["id"]):
        await released("test:armed")  # the other delivery has begun
        await way()
    await released()
    record(delivery)


@suspected.on("*", timeout=20)
async def kill_or_wait(event: dict, delivery: Delivery) -> None:
    about = {"pid": os.getpid(), "parent": os.getppid(), "folder": os.getcwd(), "path": sys.path, **os.environ}
    recorder.set(f"test:process:{delivery.webhook_id}", json.dumps(about))
    record(delivery, "started")
    print("a line of the handler")
    match event["data"]["id"]:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "wait":
            await released()
    record(delivery)


@foreign.on("claude.order.*")
async def reject_foreign(event: Event, delivery: Delivery) -> None:
    raise Reject(f"no order of ours: {event.type}")
