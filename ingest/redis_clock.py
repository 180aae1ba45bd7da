"""Stored events get Redis' time, which workers use too, so that they compute an event's true age.

The age of a signature is measured by this machine's clock, because senders follow real time, not Redis'. Each health
check reads Redis' clock; in between the monotonic clock advances it. Where TIME is refused, this machine's clock is
used for everything.
"""

import contextlib
import time
from typing import Final

from redis.exceptions import ResponseError

from ..shared import clock, log
from ..shared.connection import Execute
from . import metrics

MAX_SKEW_S: Final = 5.0
"""A larger skew is logged. Signatures may be 300 s old; clocks kept by NTP differ by milliseconds."""
EFFECT: Final = "events get Redis' time; signatures are checked by this machine's clock, which NTP should keep"


class RedisClock:
    """Follows the clock of the connected server."""

    def __init__(self) -> None:
        self._warned_s = 0.0
        self._log = log.get("ingest.redis_health")

    async def follow(self, execute: Execute) -> None:
        """Read the server's clock and follow it from now on. Raises RedisError, OSError; not if TIME is refused."""
        sent_s, local_s = time.monotonic(), time.time()
        with contextlib.suppress(ResponseError):
            seconds, microseconds = await execute("TIME")
            clock.follow(clock.redis_ms((seconds, microseconds)), sent_s)
            self._report(int(seconds) + int(microseconds) / 1e6 - (local_s + time.monotonic() - sent_s))

    def _report(self, skew_s: float) -> None:
        """`skew_s`: how far Redis' clock is ahead, with an error of at most the time of the reply."""
        metrics.CLOCK_SKEW.set(skew_s)
        if abs(skew_s) <= MAX_SKEW_S:
            self._warned_s = 0.0
        elif abs(skew_s - self._warned_s) > MAX_SKEW_S:
            self._warned_s = skew_s
            self._log.warning("clock_skew", redis_ahead_s=round(skew_s, 1), effect=EFFECT)
