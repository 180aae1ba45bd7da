"""A delivery that waits for an attempt, as a value, and which of them a command or a page is about.

It is `parked` until its next attempt is due, or `snoozed` by its handler until then, or `queued`: in its redelivery
stream, where it waits until a worker reads it. What a worker has in hand waits no more.
"""

from typing import Final, Literal, NamedTuple, get_args

import msgspec
from msgspec.structs import replace

from ...shared.entry import Entry, Failure, parse
from ...shared.keys import Keys
from ...shared.patterns import matches
from ...shared.times import LAST_MS
from .. import audit
from ..api.delivery import type_of_member

State = Literal["parked", "snoozed", "queued"]
STATES: Final[tuple[State, ...]] = get_args(State)

_strings: Final = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_HEADER_BYTES: Final = {0xD9: 2, 0xDA: 3, 0xDB: 5}
"""First byte of a longer msgpack string → bytes before its content; that of a short one stands alone."""


class Waiting(NamedTuple):
    """A waiting delivery of a group. `name`: in its sorted set, or its id in the redelivery stream."""

    keys: Keys
    group: str
    type: str
    state: State
    name: str
    due_ms: int
    """When its attempt is due, Unix ms: of a queued one, since when it waits."""
    entry: Entry

    @property
    def place(self) -> tuple[int, str]:
        """Its place among all, by time; unique within the bus."""
        return self.due_ms, f"{self.keys.shard}|{self.group}|{self.type}|{self.name}"

    @property
    def last(self) -> Failure | None:
        """Its last attempt that failed, or was snoozed."""
        return self.entry.history[-1] if self.entry.history else None

    @property
    def error_class(self) -> str:
        """The class of the last error; "" if no attempt ran."""
        return self.last.error.partition(":")[0] if self.last else ""


class Filter(msgspec.Struct, frozen=True):
    """Selects waiting deliveries that match any value of every given field. `types` are patterns; `names` webhook-ids;
    times are those at which the last attempt ended, Unix ms, inclusive."""

    groups: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    since_ms: int = 0
    until_ms: int = LAST_MS

    @property
    def is_everything(self) -> bool:
        """Whether nothing limits it but how deliveries wait."""
        return replace(self, states=()) == Filter()

    def covers_type(self, event_type: str) -> bool:
        """Whether deliveries of a type can match."""
        return not self.types or any(matches(pattern, event_type) for pattern in self.types)

    def covers(self, waiting: Waiting) -> bool:
        """Whether a delivery of a group and type that match does so, too."""
        ended_ms = waiting.last.at_ms if waiting.last else 0
        return (
            (not self.states or waiting.state in self.states)
            and (not self.errors or waiting.error_class in self.errors)
            and (not self.names or waiting.entry.webhook_id in self.names)
            and self.since_ms <= ended_ms <= self.until_ms
        )

    def options(self) -> dict[str, list[str]]:
        """The filter as options of a command, for the audit."""
        return audit.options(
            group=self.groups,
            type=self.types,
            state=self.states,
            error=self.errors,
            id=self.names,
            since_ms=self.since_ms,
            until_ms=self.until_ms,
        )


def of_parked(keys: Keys, group: str, member: str, due_ms: int, packed: bytes, *, is_snoozed: bool) -> Waiting:
    """A parked delivery from its stored fields. Raises ValueError or KeyError if these are damaged."""
    entry = parse([_text(bytes(raw)) for raw in _strings(packed)])
    state: State = "snoozed" if is_snoozed else "parked"
    return Waiting(keys, group, type_of_member(member), state, member, due_ms, entry)


def _text(raw: bytes) -> bytes:
    """The content of a msgpack string. msgspec takes only valid UTF-8 for one, and bodies need not be that."""
    return raw[_HEADER_BYTES.get(raw[0], 1) :]
