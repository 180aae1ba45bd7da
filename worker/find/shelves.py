"""The three places in which a group holds deliveries beside the event streams: dead letters, parked deliveries, and
redelivery streams. Each is read in parts: a command, then what its reply holds of an event."""

from collections.abc import Callable, Iterable, Sequence
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
    """`seen` counts the records that Redis looked through; `is_done`: there are no more. `is_decisive`: an event may be
    there alone. `unreadable` counts records that hold the text and that this release cannot read; `length` is
    the command that counts all."""

    is_decisive: bool
    seen: int
    is_done: bool
    unreadable: int

    @property
    def key(self) -> str: ...

    @property
    def length(self) -> str: ...

    def command(self) -> Command: ...

    def take(self, reply: Any) -> list[Held]: ...


class Records(msgspec.Struct):
    """A hash of records, read in parts. With `matching`, only the records of matching names leave Redis."""

    key: str
    sought: Sought
    decode: Callable[[str, bytes], Held]
    matching: str = ""
    is_decisive: bool = True
    seen: int = 0
    is_done: bool = False
    unreadable: int = 0
    length: str = "HLEN"
    _cursor: bytes = b"0"

    def command(self) -> Command:
        if self.matching:
            return ("HSCAN", self.key, self._cursor, "MATCH", self.matching, "COUNT", NAMES)
        return ("HSCAN", self.key, self._cursor, "COUNT", PAGE)

    def take(self, reply: Any) -> list[Held]:
        self._cursor, flat = reply
        self.is_done = self._cursor == b"0"
        self.seen += NAMES if self.matching else len(flat) // 2
        found: list[Held] = []
        for name, raw in zip(flat[::2], flat[1::2], strict=True):
            if self.sought.text.encode() not in raw:  # to decode them all would take most of the time
                continue
            try:
                held = self.decode(name.decode(), raw)
            except (KeyError, *UNDECODABLE):
                self.unreadable += 1
                continue
            if self.sought.is_in(held.entry):
                found.append(held)
        return found


class Named(msgspec.Struct):
    """The dead letter that has the webhook-id as its name: nearly every one, found without a search."""

    key: str
    name: str
    decode: Callable[[str, bytes], Held]
    is_decisive: bool = True
    seen: int = 0
    is_done: bool = False
    unreadable: int = 0
    length: str = "HLEN"

    def command(self) -> Command:
        return ("HGET", self.key, self.name)

    def take(self, reply: Any) -> list[Held]:
        self.is_done = True
        try:
            return [self.decode(self.name, reply)] if reply is not None else []
        except UNDECODABLE:
            self.unreadable += 1
            return []


class Redeliveries(msgspec.Struct):
    """The redelivery stream of a group for one type."""

    keys: Keys
    group: str
    type: str
    sought: Sought
    is_decisive: bool = True
    seen: int = 0
    is_done: bool = False
    unreadable: int = 0
    length: str = "XLEN"
    _after: str = "-"

    @property
    def key(self) -> str:
        return self.keys.redelivery(self.type, self.group)

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
                self.unreadable += self.sought.text.encode() in b"".join(fields)
                continue
            if self.sought.is_in(entry):
                found.append(Redelivered(self.keys, self.group, self.type, entry_id.decode(), entry))
        return found


def of_group(keys: Keys, group: str, types: Iterable[str], sought: Sought) -> list[Shelf]:
    """All places of a group in one shard. `types`: of its redelivery streams.

    Later dead letters of a webhook-id have names that begin with it: for these few all names are looked through. Names
    of parked deliveries do not tell their webhook-id, so all records are read.
    """

    def letter(name: str, raw: bytes) -> Held:
        return Letter(keys, name, dead_letter.decode(raw))

    def parked_one(member: str, raw: bytes) -> Held:
        return Parked(keys, member, type_of_member(member), parked.decode(raw))

    dead = keys.dead_data(group)
    letters: list[Shelf] = [Records(dead, sought, letter)]
    if sought.by_name:
        later = f"{literally(sought.text)}~*"
        letters = [Named(dead, sought.text, letter), Records(dead, sought, letter, later, is_decisive=False)]
    redeliveries = [Redeliveries(keys, group, name, sought) for name in types]
    return [*letters, Records(keys.delayed_data(group), sought, parked_one), *redeliveries]


def take(read: Sequence[Shelf], replies: Sequence[Any], errors: dict[str, str]) -> list[Held]:
    """What the replies to the shelves' commands hold. One that Redis refuses by itself is done, with its error in
    `errors`; raises any other."""
    held: list[Held] = []
    for shelf, reply in zip(read, replies, strict=True):
        if not isinstance(reply, Exception):
            held += shelf.take(reply)
            if shelf.unreadable:
                errors[shelf.key] = "a record of it cannot be read by this release"
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
