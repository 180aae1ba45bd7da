"""One event on its way to one group: `Delivery` is a handler's view of it, `InFlight` the worker's."""

from datetime import UTC, datetime
from typing import Final

import msgspec

from ...shared import lenient
from ...shared.decoding import UNDECODABLE
from ...shared.entry import Entry


class _Id(msgspec.Struct):
    id: str = ""


_read_id = msgspec.json.Decoder(_Id).decode


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """What is known of a delivery beside its event. `attempt` counts from 1; `body` is what was signed.

    `is_replay`: the group was given this event before, and somebody asked for history. It stays so over retries and
    redrives.
    """

    webhook_id: str
    source: str
    type: str
    group: str
    attempt: int
    received_at_ms: int
    body: bytes
    is_replay: bool = False
    snoozes: int = 0
    """How many of the attempts before were put off by `RetryLater`: those burnt none."""
    first_attempt_at_ms: int = 0
    """When the first attempt began, Unix ms; 0 in the first one itself."""

    @property
    def burnt(self) -> int:
        """The number of this attempt among those that count against `Retry.attempts`, from 1."""
        return self.attempt - self.snoozes

    @property
    def event_id(self) -> str:
        """OpenAI's id of the event (`evt_…`), "" where the body has none. It differs from the webhook-id."""
        try:
            return _read_id(self.body).id
        except UNDECODABLE:
            pass
        try:
            found = lenient.top_level(self.body).get("id")
        except UNDECODABLE:
            return ""
        return found if isinstance(found, str) else ""

    @property
    def received_at(self) -> datetime:
        """When ingest received it, UTC."""
        return datetime.fromtimestamp(self.received_at_ms / 1000, UTC)


UNKNOWN_TERM: Final = "?"
"""No server's."""


class InFlight(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A delivery that is pending in this consumer's name."""

    stream: str
    """Key that it was read from."""
    entry_id: bytes
    is_own_stream: bool
    """Read from the group's redelivery stream, where nobody else needs the entry."""
    entry: Entry
    delivery: Delivery
    term: str = ""
    """The term of the server that it was read from, as `Line.term`. Elsewhere the entry id may be another event's."""
    times_delivered: int = 1
    """1 for a fresh one; each takeover from a consumer that died adds one."""
    deaths: tuple[str, ...] = ()
    """Consumers that surely died of it, `consumer@unix_ms`."""
    flaw: str = ""
    """Why it is no event: an entry that hookbus did not write. No handler sees it."""

    def is_same_event(self, other: "InFlight") -> bool:
        """Whether a delivery under the same entry id is of the same event."""
        return self.delivery.webhook_id == other.delivery.webhook_id

    @property
    def name(self) -> str:
        """Its name among the parked and the suspects of its group."""
        return member_prefix(self.delivery.type, self.delivery.group, self.is_own_stream) + self.entry_id.decode()


def member_prefix(event_type: str, group: str, is_own_stream: bool) -> str:
    """What stands before the entry id in a `InFlight.name`. Neither part can hold the separator."""
    return f"{event_type}|{group if is_own_stream else ''}|"


def type_of_member(member: str) -> str:
    """The event type in a `InFlight.name`."""
    return member.partition("|")[0]
