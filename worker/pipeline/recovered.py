"""Recovered deliveries: handled after failures, and remembered for a while, so that `find` can tell what went wrong.

Nothing is written of a delivery that is handled at its first attempt, nor of one that was only snoozed.
"""

from typing import Final

import msgspec

from ...shared.entry import Failure
from ..api.delivery import InFlight
from .outcome import Ack, Outcome


class Recovered(msgspec.Struct, frozen=True, array_like=True):
    """How a delivery was handled at last, and its failures before. `attempt` is that of its handling."""

    type: str
    attempt: int
    handled_at_ms: int
    duration_ms: int
    consumer: str
    history: tuple[Failure, ...]
    is_replay: bool = False


_encode: Final = msgspec.msgpack.Encoder().encode
decode: Final = msgspec.msgpack.Decoder(Recovered).decode


def is_one(in_flight: InFlight, outcome: Outcome) -> bool:
    """Whether the outcome is a handled delivery that failed before."""
    return (
        isinstance(outcome, Ack)
        and not outcome.is_skipped
        and in_flight.is_own_stream
        and any(not failure.times for failure in in_flight.entry.history)
    )


def name_of(source: str, webhook_id: str) -> str:
    """The name of an event among a group's recovered deliveries; a source cannot contain the separator."""
    return f"{source}|{webhook_id}"


def record(in_flight: InFlight, consumer: str, handled_at_ms: int, duration_s: float) -> bytes:
    """What is remembered, encoded."""
    entry = in_flight.entry
    kept = Recovered(
        in_flight.delivery.type,
        entry.attempt,
        handled_at_ms,
        round(duration_s * 1000),
        consumer,
        entry.history,
        entry.is_replay,
    )
    return _encode(kept)
