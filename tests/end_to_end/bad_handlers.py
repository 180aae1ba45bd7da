"""Apps whose handlers end in unexpected ways, or change from one release to the next."""

import asyncio
import itertools
import sys
from typing import NoReturn

from hookbus import App, Breaker, Delivery, Reject, Retry, RetryLater
from tests.end_to_end.handlers import record, released

TWICE = Retry(attempts=2, base=0.05, cap=0.05)
DEPTH = 2000
"""Nested exception groups: deeper than a formatter can recurse."""

bad = App("bad")
outage = App("outage")
before = App("billing")
after = App("billing")
"""The same group in the next release, which no longer subscribes to one type."""


class UnprintableError(Exception):
    """Formatting it raises KeyboardInterrupt."""

    def __str__(self) -> str:
        raise KeyboardInterrupt


@bad.on("batch.completed", retry=TWICE, concurrency=1)
async def fail_with_deep_group(event: dict) -> NoReturn:
    error: Exception = ValueError("at the bottom")
    for _ in range(DEPTH):
        error = ExceptionGroup("another", [error])
    raise error


@bad.on("batch.failed", retry=TWICE, concurrency=1)
async def fail_unprintably(event: dict) -> NoReturn:
    raise UnprintableError


@bad.on("batch.expired", retry=TWICE, concurrency=1)
async def exit_in_the_loop(event: dict) -> NoReturn:
    sys.exit(0)


@bad.on("response.cancelled", retry=TWICE, concurrency=1)
def exit_in_a_thread(event: dict) -> NoReturn:
    sys.exit(0)


@bad.on("batch.cancelled", retry=TWICE, concurrency=1)
async def reject_in_a_task(event: dict) -> None:
    async def reject() -> NoReturn:
        raise Reject("never")

    async with asyncio.TaskGroup() as group:
        group.create_task(reject())


@bad.on("response.failed", concurrency=1)
async def snooze_for_ever(event: dict) -> NoReturn:
    raise RetryLater(1e306)


@bad.on("response.completed")
@before.on("response.completed")
@after.on("response.completed")
async def handle(event: dict, delivery: Delivery) -> None:
    record(delivery)


errors = itertools.cycle([ConnectionError, TimeoutError])


@outage.on("*", retry=Retry(attempts=50, base=0.01, cap=0.05), breaker=Breaker(failures=20, delay=60), concurrency=1)
async def fail_with_two_errors(event: dict, delivery: Delivery) -> NoReturn:
    record(delivery, "tries")
    raise next(errors)("its database is unreachable")


@before.on("batch.completed", timeout=60)
async def hang(event: dict, delivery: Delivery) -> None:
    record(delivery, "started")
    await released()
