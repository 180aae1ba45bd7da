"""Apps whose handlers end in ways that nobody would think of, or that change from one release to the next."""

import asyncio
import itertools
import sys
from typing import NoReturn

from hookbus import App, Breaker, Delivery, Reject, Retry, RetryLater
from tests.end_to_end.handlers import note, released

TWICE = Retry(attempts=2, base=0.05, cap=0.05)
DEPTH = 2000
"""Exception groups in one another: more than what formats them can recurse."""

bad = App("bad")
outage = App("outage")
before = App("billing")
after = App("billing")
"""The same group in the next release, which has dropped a type."""


class UnprintableError(Exception):
    """Whoever asks what it says ends."""

    def __str__(self) -> str:
        raise KeyboardInterrupt


@bad.on("batch.completed", retry=TWICE, concurrency=1)
async def fail_deeply(event: dict) -> NoReturn:
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
async def put_off_for_ever(event: dict) -> NoReturn:
    raise RetryLater(1e306)


@bad.on("response.completed")
@before.on("response.completed")
@after.on("response.completed")
async def handle(event: dict, delivery: Delivery) -> None:
    note(delivery)


faces = itertools.cycle([ConnectionError, TimeoutError])


@outage.on("*", retry=Retry(attempts=50, base=0.01, cap=0.05), breaker=Breaker(failures=20, delay=60), concurrency=1)
async def fail_with_two_faces(event: dict, delivery: Delivery) -> NoReturn:
    note(delivery, "tries")
    raise next(faces)("what it needs is away")


@before.on("batch.completed", timeout=60)
async def hang(event: dict, delivery: Delivery) -> None:
    note(delivery, "started")
    await released()
