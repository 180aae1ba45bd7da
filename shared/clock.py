"""The two clocks. Unix milliseconds for what is stored or compared between machines; `time.monotonic` for the rest.

Workers follow Redis' clock: other workers read the due times and ages that one of them stores, and a machine whose
clock is an hour off must neither retry an hour late nor let every event expire. So do tools: what was dead-lettered
`--since 15m` is by Redis' clock. Between two queries of it the monotonic clock counts on, so that a step of this
machine's wall clock changes nothing.

Pure code gets the time as an argument; only the code around it calls these functions.
"""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .connection import Execute

_ahead_ms: float | None = None
"""Unix time by Redis' clock minus `time.monotonic`, in ms; None while this process follows no other clock."""


def now_ms() -> int:
    """Unix time in milliseconds, as stored in `at`, due times and ages."""
    return time.time_ns() // 1_000_000 if _ahead_ms is None else int(time.monotonic() * 1000 + _ahead_ms)


def follow(unix_ms: int, sent_s: float) -> float:
    """Follow another clock from now on: it read `unix_ms` for a query sent at `sent_s` (`time.monotonic`).

    Returns the step in ms: how far the new time is ahead of the one followed before; 0 at first.
    Counted from the query and not from its reply, our time is ahead by half a round trip: due times are later, never
    sooner.
    """
    global _ahead_ms  # noqa: PLW0603 - a process has one clock
    before_ms = _ahead_ms
    _ahead_ms = unix_ms - sent_s * 1000
    return 0.0 if before_ms is None else _ahead_ms - before_ms


async def follow_redis(execute: "Execute") -> None:
    """Follow Redis' clock from now on. Raises RedisError, OSError."""
    sent_s = time.monotonic()
    follow(redis_ms(await execute("TIME")), sent_s)


def redis_ms(reply: Sequence[bytes]) -> int:
    """Unix ms from the reply of TIME."""
    seconds, microseconds = map(int, reply)
    return seconds * 1000 + microseconds // 1000


def leave() -> None:
    """Follow this machine's clock again."""
    global _ahead_ms  # noqa: PLW0603
    _ahead_ms = None


def now_s() -> int:
    """Unix time in whole seconds by this machine's clock, the unit of webhook timestamps."""
    return int(time.time())
