"""Waiting for conditions instead of sleeping."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

T = TypeVar("T")

PATIENCE_S: Final = 60.0
"""How long a condition may take on a busy machine. No bound of hookbus, and within the time limit of a test."""

TIMER_EARLY_S: Final = 0.002
"""How much earlier than set a wait may end: uvloop counts whole milliseconds at both of its ends. Lower bounds in tests
are reduced by it, once for each wait in a row."""


async def until(condition: Callable[[], Awaitable[T] | T], timeout_s: float = PATIENCE_S, what: str = "") -> T:
    """Return the first truthy result of `condition`, polled every 10 ms; fails after `timeout_s` with the last one."""
    deadline = time.monotonic() + timeout_s
    while True:
        result = condition()
        value: T = await result if isinstance(result, Awaitable) else result
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what or condition} (last: {value!r})")
        await asyncio.sleep(0.01)
