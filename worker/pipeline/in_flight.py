"""From what Redis returns of a stream to a delivery that is held."""

from typing import Any

from ...shared import entry
from ...shared.decoding import UNDECODABLE
from ..api.delivery import Delivery, InFlight


def in_flight_of(
    stream: str,
    event_type: str,
    is_own: bool,
    group: str,
    entry_id: bytes,
    fields: list[bytes],
    term: str = "",
    **known: Any,
) -> InFlight:
    """A delivery out of a stream entry. One that hookbus did not write has a flaw, and its fields for a body."""
    try:
        found = entry.parse(fields)
    except (KeyError, *UNDECODABLE) as error:
        known["flaw"] = f"no entry of hookbus's: {type(error).__name__}: {error}"
        stored_ms = int(entry_id.partition(b"-")[0])
        found = entry.Entry(f"foreign-{entry_id.decode()}", "", stored_ms, b"\n".join(fields))
    delivery = Delivery(
        found.webhook_id,
        found.source,
        event_type,
        group,
        found.attempt,
        found.received_at_ms,
        found.body,
        found.is_replay,
        found.snoozes,
        found.since_ms,
    )
    return InFlight(stream, entry_id, is_own, found, delivery, term, **known)
