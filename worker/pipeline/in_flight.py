"""Builds the delivery in flight from a stream entry."""

from ...shared import entry
from ...shared.undecodable import UNDECODABLE
from ..api.delivery import Delivery, InFlight


def in_flight_of(
    stream: str,
    event_type: str,
    is_own: bool,
    group: str,
    entry_id: bytes,
    fields: list[bytes],
    term: str = "",
    times_delivered: int = 1,
    deaths: tuple[str, ...] = (),
) -> InFlight:
    """The delivery of a stream entry. An entry that hookbus did not write gets a `flaw`, and its fields as the body."""
    flaw = ""
    try:
        parsed = entry.parse(fields)
    except (KeyError, *UNDECODABLE) as error:
        flaw = f"hookbus did not write this entry: {type(error).__name__}: {error}"
        parsed = _foreign(entry_id, fields)
    delivery = Delivery(
        parsed.webhook_id,
        parsed.source,
        event_type,
        group,
        parsed.attempt,
        parsed.received_at_ms,
        parsed.body,
        parsed.is_replay,
        parsed.snoozes,
        parsed.since_ms,
        parsed.traceparent,
    )
    return InFlight(stream, entry_id, is_own, parsed, delivery, term, times_delivered, deaths, flaw)


def _foreign(entry_id: bytes, fields: list[bytes]) -> entry.Entry:
    return entry.Entry(f"foreign-{entry_id.decode()}", "", int(entry_id.partition(b"-")[0]), b"\n".join(fields))
