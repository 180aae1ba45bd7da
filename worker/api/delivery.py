"""One event on its way to one group: `Delivery` is a handler's view of it, `InFlight` the worker's."""

from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Generic

import msgspec

from ...shared import keys, lenient
from ...shared.created_at import unix_s
from ...shared.entry import Entry
from ...shared.keys import Keys
from ...shared.undecodable import UNDECODABLE

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # with `default`, which typing has from Python 3.13 on

    State = TypeVar("State", default=Any)
else:
    from typing import TypeVar

    State = TypeVar("State")

NO_STATE: Final[Any] = MappingProxyType({})
"""The state of an app whose lifespan yields nothing, or that has none."""


class _Fields(msgspec.Struct):
    id: Any = ""
    created_at: Any = None


_read_fields = msgspec.json.Decoder(_Fields).decode


class Delivery(msgspec.Struct, Generic[State], frozen=True, gc=False):
    """The metadata of a delivery. `attempt` counts from 1; `body` holds the signed bytes.

    `is_replay`: an operator replayed this event to the group. Retries and redrives keep the flag. `traceparent`: that
    of the request that brought the event, "" if it had none. `state`: what the lifespan of the app yielded.
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
    """How many earlier attempts ended in `RetryLater`; those used up no attempt."""
    first_attempt_at_ms: int = 0
    """When the first attempt began, Unix ms; 0 in the first attempt itself."""
    traceparent: str = ""
    state: State = NO_STATE

    @property
    def counted_attempt(self) -> int:
        """The number of this attempt among those that count towards `Retry.attempts`, from 1."""
        return self.attempt - self.snoozes

    @property
    def event_id(self) -> str:
        """OpenAI's id of the event (`evt_…`), "" if the body has none. It differs from the webhook-id."""
        event_id = fields_of(self.body).id
        return event_id if isinstance(event_id, str) else ""

    @property
    def created_at(self) -> datetime | None:
        """When the sender created the event, by its `created_at`: Unix seconds or ISO 8601 with a time zone.

        None if the body has no such time.
        """
        seconds = unix_s(fields_of(self.body).created_at)
        try:
            return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
        except (ValueError, OverflowError, OSError):  # beyond the range of datetime
            return None

    @property
    def received_at(self) -> datetime:
        """When ingest received it, UTC."""
        return datetime.fromtimestamp(self.received_at_ms / 1000, UTC)


def fields_of(body: bytes) -> _Fields:
    """The fields of an event's envelope, in whatever shape its sender has them."""
    try:
        return _read_fields(body)
    except UNDECODABLE:
        pass
    try:
        return msgspec.convert(lenient.top_level(body), _Fields)
    except UNDECODABLE:
        return _Fields()


FIRST_SUSPICION: Final = 3
"""`times_delivered` at which a delivery becomes a suspect: it was in flight in two consumers that died."""
UNKNOWN_TERM: Final = "?"
"""The term of no server."""


class InFlight(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A delivery that is pending for this consumer."""

    stream: str
    """Key that the entry was read from."""
    entry_id: bytes
    is_own_stream: bool
    """Read from the group's redelivery stream, where no other group needs the entry."""
    entry: Entry
    delivery: Delivery
    term: str = ""
    """The term that the entry was read in, as `RawConnection.term`. In another one its id may belong to another event.
    """
    times_delivered: int = 1
    """1 for a new delivery; each takeover from a dead consumer adds one."""
    deaths: tuple[str, ...] = ()
    """Quarantine processes that died of it, `consumer@unix_ms`."""
    flaw: str = ""
    """Why the entry is no event: hookbus did not write it. No handler receives it."""

    @property
    def is_suspect(self) -> bool:
        """Whether it must run in quarantine."""
        return self.times_delivered >= FIRST_SUSPICION

    def is_same_event(self, other: "InFlight") -> bool:
        """Whether a delivery with the same entry id is of the same event."""
        return self.delivery.webhook_id == other.delivery.webhook_id

    @property
    def keys(self) -> Keys:
        """The keys of its shard."""
        return keys.of(self.stream)

    @property
    def name(self) -> str:
        """The name of the delivery among the parked ones and the suspects of its group."""
        return member_prefix(self.delivery.type, self.delivery.group, self.is_own_stream) + self.entry_id.decode()


def member_prefix(event_type: str, group: str, is_own_stream: bool) -> str:
    """The part of an `InFlight.name` before the entry id. Neither component can contain the separator."""
    return f"{event_type}|{group if is_own_stream else ''}|"


def type_of_member(member: str) -> str:
    """The event type in an `InFlight.name`."""
    return member.partition("|")[0]
