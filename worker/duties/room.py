"""Whether Redis has room for what only people look at: below nine tenths of its memory, as asked every ten seconds."""

import time
from typing import Final

import redis as sync_redis

from ...shared.memory import NEARLY_FULL, share_of

INTERVAL_S: Final = 10.0
"""A burst fills a tenth of Redis' memory in no less (a guess)."""


class Room:
    """The answer for one process; its liveness thread asks. `is_left` before the first answer, too."""

    def __init__(self) -> None:
        self.is_left = True
        self._ask_at = 0.0

    def ask(self, client: sync_redis.Redis) -> None:
        """Ask if it is time to. Raises RedisError, OSError."""
        now = time.monotonic()
        if now >= self._ask_at:
            self.is_left = share_of(client.info("memory")) <= NEARLY_FULL
            self._ask_at = now + INTERVAL_S
