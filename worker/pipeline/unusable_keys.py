"""Keys that Redis refuses for their own sake, set aside so that they harm no other.

Something of another type lies there, the ids of the stream are used up, or the ACL leaves the key out. Whoever meets
one goes on without it and tries it again later. `status` and `check` find such keys by themselves; this is what a
worker says: a line at first and once an hour, one when the key can be used again, and a gauge.
"""

import time
from typing import Final, Literal

from redis.exceptions import ResponseError

from ...shared import log
from ...shared.fault import is_of_one_stream
from . import metrics

REPEAT_S: Final = 3600.0
"""Between two log lines about one key."""

Use = Literal["read", "add"]
READ: Final = "read"
ADD: Final = "add"


def is_of_one_key(error: Exception) -> bool:
    """Whether an error is about the key that was asked for, and not about the server or about who asks."""
    return isinstance(error, ResponseError) and is_of_one_stream(error)


class UnusableKeys:
    """Those of one process. It knows as many as there are keys that its duties use."""

    def __init__(self) -> None:
        self._said_at: dict[tuple[str, Use], float] = {}
        self._log = log.get("worker.unusable_keys")

    def __contains__(self, key: str) -> bool:
        """Whether a key can't be read."""
        return (key, READ) in self._said_at

    def __len__(self) -> int:
        return len(self._said_at)

    def add(self, key: str, reason: Exception | str, use: Use = READ) -> None:
        """Have a key set aside, or find it refused again."""
        now = time.monotonic()
        if now - self._said_at.get((key, use), -REPEAT_S) < REPEAT_S:
            return
        self._said_at[key, use] = now
        metrics.UNUSABLE_KEYS.set(len(self._said_at))
        effect = "what lies there, or should, is not handled; it is tried again, and all others go on"
        self._log.error("key_unusable", key=key, use=use, reason=str(reason), effect=effect)

    def remove(self, key: str, use: Use = READ) -> None:
        """A key can be used, as nearly all can."""
        if self._said_at and self._said_at.pop((key, use), None) is not None:
            metrics.UNUSABLE_KEYS.set(len(self._said_at))
            self._log.info("key_usable_again", key=key, use=use)
