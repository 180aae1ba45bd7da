"""The two clocks. Unix milliseconds for what is stored or compared between machines; `time.monotonic` for the rest.

Pure code gets the time as an argument; only shells call these.
"""

import time


def now_ms() -> int:
    """Unix time in milliseconds, as stored in `at`, due times and ages."""
    return time.time_ns() // 1_000_000


def now_s() -> int:
    """Unix time in whole seconds, as webhook timestamps count."""
    return int(time.time())
