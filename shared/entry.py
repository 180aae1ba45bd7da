"""A stream entry: the stored fields of an event, and those that a redelivery adds.

Field names are part of the data layout; readers accept any order and ignore unknown fields.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

HISTORY_KEPT: Final = 25
"""Failures kept of a delivery, newest last. More would help nobody and bloat each retry (25 MB records were seen)."""

ERROR_CHARS: Final = 300
"""Longest error text in a history."""


class Failure(msgspec.Struct, frozen=True, array_like=True):
    """One attempt that failed or was snoozed. `at_ms` is when it ended, Unix ms.

    `times`: how often in a row the handler snoozed the delivery, up to this attempt, and `since_ms` when the first of
    them ended; both 0 for a failure.
    """

    attempt: int
    at_ms: int
    duration_ms: int
    consumer: str
    error: str
    times: int = 0
    since_ms: int = 0


class Entry(msgspec.Struct, frozen=True, gc=False):
    """An event on its way to a group. `received_at_ms` is Unix ms; `body` holds the exact bytes that were signed."""

    webhook_id: str
    source: str
    received_at_ms: int
    body: bytes
    traceparent: str = ""
    attempt: int = 1
    history: tuple[Failure, ...] = ()
    is_replay: bool = False
    """Delivered to this group again by a replay."""
    snoozes: int = 0
    """Number of earlier snoozes; they use up no attempt."""
    since_ms: int = 0
    """When the first attempt of this round began, Unix ms; 0 before that, and if an earlier release parked it."""


_encode_history = msgspec.msgpack.Encoder().encode
_decode_history = msgspec.msgpack.Decoder(tuple[Failure, ...]).decode


def parse(fields: Sequence[bytes]) -> Entry:
    """Read the flat field list of XREADGROUP or XRANGE (`[name, value, name, value, …]`).

    Raises KeyError or ValueError if hookbus did not write the entry.
    """
    match fields:
        case [
            b"id",
            webhook_id,
            b"src",
            source,
            b"at",
            at,
            b"body",
            body,
        ]:  # the order in which ingest writes nearly all: takes a third of the time
            return Entry(webhook_id.decode(), source.decode(), _number(at), body)
    values = dict(zip(fields[::2], fields[1::2], strict=True))
    return Entry(
        values[b"id"].decode(),
        values[b"src"].decode(),
        _number(values[b"at"]),
        values[b"body"],
        values.get(b"tp", b"").decode(),
        _number(values.get(b"attempt", b"1")),
        _decode_history(values[b"history"]) if b"history" in values else (),
        b"replay" in values,
        _number(values.get(b"snoozes", b"0")),
        _number(values.get(b"since", b"0")),
    )


def _number(text: bytes) -> int:
    """Raises ValueError for a number that msgpack, and so a dead letter, can't hold."""
    number = int(text)
    if not 0 <= number < 2**63:
        raise ValueError("out of range")
    return number


def redelivery_fields(
    entry: Entry, attempt: int, history: Sequence[Failure], snoozes: int = 0, since_ms: int = 0
) -> list[bytes]:
    """The flat field list of a redelivery. `attempt` is its coming attempt; `since_ms` is when the first one began."""
    fields = [
        b"id",
        entry.webhook_id.encode(),
        b"src",
        entry.source.encode(),
        b"at",
        b"%d" % entry.received_at_ms,
        b"body",
        entry.body,
        b"attempt",
        b"%d" % attempt,
        b"history",
        _encode_history(tuple(history)[-HISTORY_KEPT:]),
    ]
    if entry.traceparent:
        fields += (b"tp", entry.traceparent.encode())
    if snoozes:
        fields += (b"snoozes", b"%d" % snoozes)
    if since_ms:
        fields += (b"since", b"%d" % since_ms)
    if entry.is_replay:
        fields += (b"replay", b"1")
    return fields
