"""The two clocks. Unix milliseconds for what is stored or compared between machines; `time.monotonic` for the rest.

Workers follow Redis' clock: due times and ages that one of them stores are read by others, and a machine whose clock
is an hour off must neither retry an hour late nor let every event expire. Between two looks the monotonic clock
counts on, so that a step of this machine's wall clock changes nothing.

Pure code gets the time as an argument; only shells call these.
"""

import time

_ahead_ms: float | None = None
"""Unix time by Redis' clock less `time.monotonic`, in ms; None as long as this process follows nobody."""


def now_ms() -> int:
    """Unix time in milliseconds, as stored in `at`, due times and ages."""
    return time.time_ns() // 1_000_000 if _ahead_ms is None else int(time.monotonic() * 1000 + _ahead_ms)


def follow(unix_ms: int, asked_s: float) -> float:
    """Go by another clock from now on: it showed `unix_ms` for a question asked at `asked_s` (`time.monotonic`).

    Returns by how many ms that is ahead of what we went by; 0 at first.
    Counted from the question and not from the answer, our time is ahead by half a round trip: what is due is due
    later, never sooner.
    """
    global _ahead_ms  # noqa: PLW0603 - a process has one clock
    before_ms = _ahead_ms
    _ahead_ms = unix_ms - asked_s * 1000
    return 0.0 if before_ms is None else _ahead_ms - before_ms


def leave() -> None:
    """Go by this machine's clock again."""
    global _ahead_ms  # noqa: PLW0603
    _ahead_ms = None


def now_s() -> int:
    """Unix time in whole seconds by this machine's clock, as webhook timestamps count."""
    return int(time.time())
