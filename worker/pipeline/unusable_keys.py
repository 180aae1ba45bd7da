"""Tracks keys that Redis refuses by themselves, so that they affect no others.

The key has another type, the ids of the stream are used up, or the ACL excludes the key. Callers continue without it
and retry it later. `status` and `check` detect such keys independently; a worker logs a line at once and then every
hour, another when the key is usable again, and exports a gauge.
"""

import time
from typing import Any, Final, Literal

from redis.exceptions import ResponseError

from ...shared import log
from ...shared.fault import is_of_one_stream

REPEAT_S: Final = 3600.0
"""Between two log lines about one key."""

Use = Literal["read", "add"]
READ: Final = "read"
ADD: Final = "add"


def is_of_one_key(error: Exception) -> bool:
    """Whether an error concerns the key of the command, and not the server or the client."""
    return isinstance(error, ResponseError) and is_of_one_stream(error)


class UnusableKeys:
    """The unusable keys of one process; at most as many as its duties use."""

    def __init__(self) -> None:
        self._logged_at: dict[tuple[str, Use], float] = {}
        self._log = log.get("worker.unusable_keys")

    def __contains__(self, key: str) -> bool:
        """Whether a key cannot be read."""
        return (key, READ) in self._logged_at

    def __len__(self) -> int:
        return len(self._logged_at)

    def accepts(self, key: str, reply: Any) -> bool:
        """Whether Redis accepted a key, by its reply; marks the key accordingly. Raises an error that concerns more."""
        if not isinstance(reply, Exception):
            self.remove(key)
            return True
        if not is_of_one_key(reply):
            raise reply
        self.add(key, reply)
        return False

    def add(self, key: str, reason: Exception | str, use: Use = READ) -> None:
        """Mark a key unusable, at the first refusal and at every later one."""
        now = time.monotonic()
        if now - self._logged_at.get((key, use), -REPEAT_S) < REPEAT_S:
            return
        self._logged_at[key, use] = now
        self._count()
        effect = "entries of this key are not handled; the worker retries it, other keys are unaffected"
        self._log.error("key_unusable", key=key, use=use, reason=str(reason), effect=effect)

    def remove(self, key: str, use: Use = READ) -> None:
        """A key is usable: no effect unless it was marked unusable before."""
        if self._logged_at and self._logged_at.pop((key, use), None) is not None:
            self._count()
            self._log.info("key_usable_again", key=key, use=use)

    def _count(self) -> None:
        from . import metrics  # tools that only recognise such an error start without prometheus_client

        metrics.UNUSABLE_KEYS.set(len(self._logged_at))
