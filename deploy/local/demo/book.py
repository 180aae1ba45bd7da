"""The demo's own record of its handlers, independent of all counts of hookbus.

Handlers append a note when they start and one when they have handled an event; the demo reads them. The record is a
list in the same Valkey, under its own prefix.
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
    """A start or an end of a handler. `at` is Unix time in seconds; `digest` is of the exact body."""

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
    """The SHA-256 of a body, in hex."""
    return hashlib.sha256(body).hexdigest()


class Book:
    """The record: handlers write it, the demo reads it."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url, protocol=2)
        self._notes: list[Note] = []

    def write(self, what: Literal["started", "handled"], delivery: Delivery, pid: int) -> int:
        """Append a note and return how often this delivery has started so far."""
        identity = (delivery.group, delivery.webhook_id, delivery.type, delivery.attempt)
        note = Note(what, *identity, pid, time.time(), digest(delivery.body))
        pipeline = self._client.pipeline()
        pipeline.rpush(NOTES, _encode(note))
        pipeline.hincrby(STARTS, f"{delivery.group} {delivery.webhook_id}", int(what == "started"))
        return int(pipeline.execute()[1])

    def read(self) -> list[Note]:
        """All notes so far."""
        self._notes += [_decode(note) for note in self._client.lrange(NOTES, len(self._notes), -1)]
        return self._notes

    def fix(self) -> None:
        """Make the broken handler work from now on."""
        self._client.set(FIXED, 1)

    @property
    def is_fixed(self) -> bool:
        """Whether the broken handler has been fixed."""
        return bool(self._client.exists(FIXED))

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
