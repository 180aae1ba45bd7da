"""The demo's own record of what its handlers did, apart from everything that hookbus counts.

Handlers append a note when they start and one when they have handled an event; the demo reads them. It is a list in
the same Valkey, under a prefix of its own.
"""

import hashlib
import time
from typing import Final, Literal

import msgspec
import redis

from hookbus import Delivery

NOTES: Final = "demo:notes"
STARTS: Final = "demo:starts"
FIXED: Final = "demo:fixed"


class Note(msgspec.Struct, frozen=True):
    """One thing that a handler did. `at` is Unix time in seconds; `digest` is of the exact body."""

    what: Literal["started", "handled"]
    group: str
    webhook_id: str
    type: str
    attempt: int
    pid: int
    at: float
    digest: str


_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(Note).decode


def digest(body: bytes) -> str:
    """Tells bodies apart."""
    return hashlib.sha256(body).hexdigest()


class Book:
    """The handlers' side of the record, and the demo's."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url, protocol=2)
        self._notes: list[Note] = []

    def write(self, what: Literal["started", "handled"], delivery: Delivery, pid: int) -> int:
        """Append a note; how often this delivery has started so far."""
        of_whom = (delivery.group, delivery.webhook_id, delivery.type, delivery.attempt)
        note = Note(what, *of_whom, pid, time.time(), digest(delivery.body))
        pipeline = self._client.pipeline()
        pipeline.rpush(NOTES, _encode(note))
        pipeline.hincrby(STARTS, f"{delivery.group} {delivery.webhook_id}", int(what == "started"))
        return int(pipeline.execute()[1])

    def read(self) -> list[Note]:
        """All notes so far."""
        self._notes += [_decode(note) for note in self._client.lrange(NOTES, len(self._notes), -1)]
        return self._notes

    def fix(self) -> None:
        """The broken handler works from now on."""
        self._client.set(FIXED, 1)

    @property
    def is_fixed(self) -> bool:
        """Whether somebody fixed it."""
        return bool(self._client.exists(FIXED))

    def close(self) -> None:
        """Let the server go."""
        self._client.close()
