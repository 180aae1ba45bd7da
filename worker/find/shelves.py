"""The three places in which a group holds deliveries beside the event streams: dead letters, parked deliveries, and
redelivery streams. Each is read in parts: a command, then what its reply holds of an event."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from ...shared.connection import Redis
from ...shared.entry import Entry, parse
from ...shared.keys import Keys
from ...shared.pipelined import execute_all
from ...shared.raw_connection import Command
from ...shared.undecodable import UNDECODABLE
from ..api.delivery import type_of_member
from ..inventory import parked
from ..pipeline import dead_letter
from ..pipeline.dead_letter import DeadLetterRecord
from ..pipeline.unusable_keys import is_of_one_key

PAGE: Final = 200
"""Records in one reply: with small events some hundred kilobytes."""
NAMES: Final = 1000
"""Dead letters that Redis looks through by name in one command."""


class Redelivered(NamedTuple):
    """An entry of a redelivery stream."""

    keys: Keys
    group: str
    type: str
    entry_id: str
    entry: Entry

    @property
    def stream(self) -> str:
        return self.keys.redelivery(self.type, self.group)

    @property
    def identity(self) -> str:
        return f"{self.stream} {self.entry_id}"


class Parked(NamedTuple):
    """A parked delivery. `member` is its name."""

    keys: Keys
    member: str
    type: str
    entry: Entry

    @property
    def identity(self) -> str:
        return f"parked {self.member}"


class Letter(NamedTuple):
    """A dead letter. `name` differs from its webhook-id if it is a later one of the same."""

    keys: Keys
    name: str
    record: DeadLetterRecord

    @property
    def identity(self) -> str:
        return f"dead {self.name}"

    @property
    def type(self) -> str:
        return self.record.type

    @property
    def entry(self) -> Entry:
        return self.record.entry()


Held = Letter | Parked | Redelivered


class Sought(NamedTuple):
    """What is looked for: the deliveries of a webhook-id or, if it is not `by_name`, those that hold a text."""

    text: str
    by_name: bool = True

    def is_in(self, entry: Entry) -> bool:
        """Whether an entry is of the event."""
        return entry.webhook_id == self.text or (not self.by_name and self.text.encode() in entry.body)


class Shelf(Protocol):
    """`seen` counts the records that Redis looked through; `is_done`: there are no more."""

    seen: int
    is_done: bool

    @property
    def key(self) -> str: ...

    @property
    def length(self) -> str:
        """The command that counts its records."""
        ...

    def command(self) -> Command: ...

    def take(self, reply: Any) -> list[Held]: ...


@dataclass(slots=True)
class Letters:
    """The dead letters of a group in one shard; by name, only the matching records leave Redis."""

    keys: Keys
    group: str
    sought: Sought
    seen: int = 0
    is_done: bool = False
    _cursor: bytes = b"0"

    @property
    def key(self) -> str:
        return self.keys.dead_data(self.group)

    @property
    def length(self) -> str:
        return "HLEN"

    def command(self) -> Command:
        if self.sought.by_name:
            return ("HSCAN", self.key, self._cursor, "MATCH", f"{literally(self.sought.text)}*", "COUNT", NAMES)
        return ("HSCAN", self.key, self._cursor, "COUNT", PAGE)

    def take(self, reply: Any) -> list[Held]:
        self._cursor, flat = reply
        self.is_done = self._cursor == b"0"
        self.seen += NAMES if self.sought.by_name else len(flat) // 2
        found: list[Held] = []
        for name, raw in _holding(flat, self.sought):
            try:
                record = dead_letter.decode(raw)
            except msgspec.MsgspecError:
                continue  # of another release: `dlq list` tells
            if self.sought.is_in(record.entry()):
                found.append(Letter(self.keys, name, record))
        return found


@dataclass(slots=True)
class ParkedOnes:
    """The parked deliveries of a group in one shard. Their names hold no webhook-id, so all are read."""

    keys: Keys
    group: str
    sought: Sought
    seen: int = 0
    is_done: bool = False
    _cursor: bytes = b"0"

    @property
    def key(self) -> str:
        return self.keys.delayed_data(self.group)

    @property
    def length(self) -> str:
        return "HLEN"

    def command(self) -> Command:
        return ("HSCAN", self.key, self._cursor, "COUNT", PAGE)

    def take(self, reply: Any) -> list[Held]:
        self._cursor, flat = reply
        self.is_done = self._cursor == b"0"
        self.seen += len(flat) // 2
        found: list[Held] = []
        for member, raw in _holding(flat, self.sought):
            try:
                entry = parked.decode(raw)
            except (KeyError, *UNDECODABLE):
                continue  # damaged: the worker logs it when it is due
            if self.sought.is_in(entry):
                found.append(Parked(self.keys, member, type_of_member(member), entry))
        return found


@dataclass(slots=True)
class Redeliveries:
    """The redelivery stream of a group for one type."""

    keys: Keys
    group: str
    type: str
    sought: Sought
    seen: int = 0
    is_done: bool = False
    _after: str = "-"

    @property
    def key(self) -> str:
        return self.keys.redelivery(self.type, self.group)

    @property
    def length(self) -> str:
        return "XLEN"

    def command(self) -> Command:
        return ("XRANGE", self.key, self._after, "+", "COUNT", PAGE)

    def take(self, reply: Any) -> list[Held]:
        self.is_done = len(reply) < PAGE
        self.seen += len(reply)
        found: list[Held] = []
        for entry_id, fields in reply:
            self._after = f"({entry_id.decode()}"
            try:
                entry = parse(fields)
            except (KeyError, *UNDECODABLE):
                continue
            if self.sought.is_in(entry):
                found.append(Redelivered(self.keys, self.group, self.type, entry_id.decode(), entry))
        return found


def of_group(keys: Keys, group: str, types: Iterable[str], sought: Sought) -> list[Shelf]:
    """All places of a group in one shard. `types`: of its redelivery streams."""
    return [
        Letters(keys, group, sought),
        ParkedOnes(keys, group, sought),
        *(Redeliveries(keys, group, name, sought) for name in types),
    ]


def take(read: Sequence[Shelf], replies: Sequence[Any], errors: dict[str, str]) -> list[Held]:
    """What the replies to the shelves' commands hold. One that Redis refuses by itself is done, with its error in
    `errors`; raises any other."""
    held: list[Held] = []
    for shelf, reply in zip(read, replies, strict=True):
        if not isinstance(reply, Exception):
            held += shelf.take(reply)
        elif is_of_one_key(reply):
            shelf.is_done = True
            errors[shelf.key] = str(reply)
        else:
            raise reply
    return held


async def left_out(client: Redis, unread: Sequence[Shelf]) -> int:
    """How many records of shelves were not looked through. Raises RedisError, OSError."""
    lengths = await execute_all(client, [(shelf.length, shelf.key) for shelf in unread])
    return sum(max(0, length - shelf.seen) for length, shelf in zip(lengths, unread, strict=True))


def literally(text: str) -> str:
    """A text as a pattern of MATCH that matches only itself."""
    return "".join(f"\\{char}" if char in "*?[]^\\" else char for char in text)


def _holding(flat: Sequence[bytes], sought: Sought) -> list[tuple[str, bytes]]:
    """Names and records that hold the text: decoding the others would take most of the time."""
    text = sought.text.encode()
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return [(name.decode(), raw) for name, raw in pairs if text in raw]
