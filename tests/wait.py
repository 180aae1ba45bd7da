"""Waiting for conditions, so that no test sleeps and hopes."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


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
