"""The record of a dead letter: everything needed to diagnose the delivery and to redrive it."""

import hashlib
from typing import Final

import msgspec

from ...shared.entry import Entry, Failure
from ..api.delivery import InFlight
from .cause import Cause
from .outcome import DeadLetter, Reason

_FINGERPRINT_BYTES: Final = 5


class Kind(msgspec.Struct, frozen=True, array_like=True):
    """The fields that all dead letters of one fingerprint share; `message` is a sample."""

    type: str
    reason: Reason
    error_class: str
    frame: str
    message: str


class DeadLetterRecord(msgspec.Struct, frozen=True, array_like=True):
    """The record of one dead letter. Times are Unix ms; `attempts` counts those that ran; `body` holds signed bytes."""

    type: str
    group: str
    webhook_id: str
    source: str
    received_at_ms: int
    dead_lettered_at_ms: int
    reason: Reason
    error_class: str
    message: str
    traceback: str
    frame: str
    fingerprint: str
    attempts: int
    history: tuple[Failure, ...]
    body: bytes
    traceparent: str = ""
    is_replay: bool = False

    @property
    def kind(self) -> Kind:
        """The fields shared with the other dead letters of its fingerprint."""
        return Kind(self.type, self.reason, self.error_class, self.frame, self.message)

    def entry(self) -> Entry:
        """The stream entry for a redrive, at attempt 1. A replay stays a replay."""
        return Entry(
            webhook_id=self.webhook_id,
            source=self.source,
            received_at_ms=self.received_at_ms,
            body=self.body,
            traceparent=self.traceparent,
            history=self.history,
            is_replay=self.is_replay,
        )


encode: Final = msgspec.msgpack.Encoder().encode
decode: Final = msgspec.msgpack.Decoder(DeadLetterRecord).decode
decode_kind: Final = msgspec.msgpack.Decoder(Kind).decode


def fingerprint(error_class: str, frame: str, event_type: str, reason: Reason) -> str:
    """10 hex digits shared by dead letters of the same cause, whatever their messages and line numbers.

    Type and reason are part of it, so one index serves all filters.
    """
    text = "\n".join((error_class, frame, event_type, reason))
    return hashlib.blake2b(text.encode(), digest_size=_FINGERPRINT_BYTES).hexdigest()


def write(
    in_flight: InFlight, outcome: DeadLetter, history: tuple[Failure, ...], dead_lettered_at_ms: int
) -> DeadLetterRecord:
    """The record of a delivery to dead-letter; `history` includes the last attempt if one ran."""
    cause = outcome.cause
    return DeadLetterRecord(
        type=in_flight.delivery.type,
        group=in_flight.delivery.group,
        webhook_id=in_flight.entry.webhook_id,
        source=in_flight.entry.source,
        received_at_ms=in_flight.entry.received_at_ms,
        dead_lettered_at_ms=dead_lettered_at_ms,
        reason=outcome.reason,
        error_class=cause.error_class,
        message=cause.message,
        traceback=cause.traceback,
        frame=cause.frame,
        fingerprint=fingerprint(cause.error_class, cause.frame, in_flight.delivery.type, outcome.reason),
        attempts=in_flight.entry.attempt,
        history=history,
        body=in_flight.entry.body,
        traceparent=in_flight.entry.traceparent,
        is_replay=in_flight.entry.is_replay,
    )


def fingerprint_of(cause: Cause, event_type: str) -> str:
    """The fingerprint of a failure: that of the dead letter that it becomes if all attempts fail."""
    return fingerprint(cause.error_class, cause.frame, event_type, "attempts_exhausted")
