"""Waiting for conditions, so that no test sleeps and hopes."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

T = TypeVar("T")

TIMER_EARLY_S: Final = 0.002
"""By so much a wait may end sooner than was set: uvloop counts whole milliseconds at both of its ends. Lower bounds in
tests give way by it, once for each wait in a row."""


async def until(condition: Callable[[], Awaitable[T] | T], timeout_s: float = 20, what: str = "") -> T:
    """The first truthy result of `condition`, asked every 10 ms; fails after `timeout_s` with the last one."""
    deadline = time.monotonic() + timeout_s
    while True:
        result = condition()
        value: T = await result if isinstance(result, Awaitable) else result
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what or condition} (last: {value!r})")
        await asyncio.sleep(0.01)
