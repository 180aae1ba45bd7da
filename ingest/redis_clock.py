"""Ingest's clock for what it stores: Redis', which workers go by too, so that an event is as old to them as it is.

How old a signature is goes by this machine's clock: the sender doesn't know Redis'. Looked at with every look at Redis;
between two the monotonic clock counts on. Where TIME is refused, this machine's clock counts for all.
"""

import contextlib
import time
from typing import Final

from redis.exceptions import ResponseError

from ..shared import clock, log
from ..shared.connection import Execute
from . import metrics

MAX_SKEW_S: Final = 5.0
"""Beyond which it is logged. Signatures may be 300 s old; clocks kept by NTP differ by milliseconds."""
EFFECT: Final = "events are stored by Redis' clock; signatures are judged by this machine's, which NTP should keep"


class RedisClock:
    """Follows the clock of one server after another."""

    def __init__(self) -> None:
        self._warned_s = 0.0
        self._log = log.get("ingest.redis_health")

    async def follow(self, execute: Execute) -> None:
        """Look, and go by it from now on. Raises RedisError, OSError; not where TIME is refused."""
        asked_s, local_s = time.monotonic(), time.time()
        with contextlib.suppress(ResponseError):
            seconds, microseconds = await execute("TIME")
            clock.follow(int(seconds) * 1000 + int(microseconds) // 1000, asked_s)
            self._tell(int(seconds) + int(microseconds) / 1e6 - (local_s + time.monotonic() - asked_s))

    def _tell(self, skew_s: float) -> None:
        """`skew_s`: how far Redis' clock is ahead; at most what the reply took too much."""
        metrics.CLOCK_SKEW.set(skew_s)
        if abs(skew_s) <= MAX_SKEW_S:
            self._warned_s = 0.0
        elif abs(skew_s - self._warned_s) > MAX_SKEW_S:
            self._warned_s = skew_s
            self._log.warning("clock_skew", redis_ahead_s=round(skew_s, 1), effect=EFFECT)
