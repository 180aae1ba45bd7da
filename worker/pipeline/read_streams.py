"""The streams that a group's reader reads in one shard, and which of them it may read now."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ...shared.patterns import matches
from ..api.delivery import InFlight, member_prefix
from .group_context import GroupContext
from .in_flight import in_flight_of
from .subscriber import Subscriber
from .turns import Turns


@dataclass(frozen=True, slots=True, eq=False)
class ReadStream:
    """A stream, and whose deliveries it holds. `is_own`: it is the group's own redelivery stream."""

    name: str
    event_type: str
    is_own: bool
    subscriber: Subscriber

    @property
    def is_paused(self) -> bool:
        """Whether its type is paused."""
        return self.name in self.subscriber.paused_streams

    @property
    def member_prefix(self) -> str:
        """The part of an `InFlight.name` before the entry id."""
        return member_prefix(self.event_type, self.subscriber.route.group, self.is_own)

    def in_flight(
        self,
        entry_id: bytes,
        fields: list[bytes],
        term: str,
        times_delivered: int = 1,
        deaths: tuple[str, ...] = (),
    ) -> InFlight:
        """The delivery of an entry, read in this term."""
        group = self.subscriber.route.group
        return in_flight_of(
            self.name, self.event_type, self.is_own, group, entry_id, fields, term, times_delivered, deaths
        )


class ReadStreams:
    """`subscriber_of` returns the subscriber of a type."""

    def __init__(self, here: GroupContext, subscriber_of: Callable[[str], Subscriber]) -> None:
        self._here = here
        self._subscriber_of = subscriber_of
        self.all: dict[str, ReadStream] = {}
        """By name."""
        self._paused: frozenset[str] = frozenset()
        """Patterns of the types whose streams are not read."""
        self.turns: dict[Subscriber, Turns] = {}
        """The streams of each subscription that may be read."""

    @property
    def types(self) -> list[str]:
        """The event types of the streams."""
        return [stream.event_type for stream in self.all.values() if not stream.is_own]

    @property
    def redelivered(self) -> list[str]:
        """The types whose redelivery streams are among them."""
        return [stream.event_type for stream in self.all.values() if stream.is_own]

    def add(self, types: Iterable[str]) -> list[Subscriber]:
        """Add the streams of types. Returns the subscribers that had none."""
        new = []
        for event_type in types:
            subscriber = self._subscriber_of(event_type)
            name = self._here.keys.stream(event_type)
            self.all[name] = ReadStream(name, event_type, is_own=False, subscriber=subscriber)
            if subscriber not in self.turns:
                self.turns[subscriber] = Turns()
                new.append(subscriber)
        self.select()
        return new

    def open(self, types: Iterable[str]) -> bool:
        """Add the redelivery streams of those types whose events are read. Returns whether there are new ones."""
        keys, before = self._here.keys, len(self.all)
        for event_type in types:
            name, events = keys.redelivery(event_type, self._here.group), self.all.get(keys.stream(event_type))
            if events is not None and name not in self.all:
                self.all[name] = ReadStream(name, event_type, is_own=True, subscriber=events.subscriber)
        if len(self.all) > before:
            self.select()
        return len(self.all) > before

    def close(self, types: Iterable[str]) -> None:
        """Remove the redelivery streams of some types."""
        for event_type in types:
            stream = self.all.pop(self._here.keys.redelivery(event_type, self._here.group))
            stream.subscriber.paused_streams.discard(stream.name)
        self.select()

    def pause(self, patterns: frozenset[str]) -> bool:
        """Pause the types of exactly these patterns. Returns whether they are others than before."""
        if patterns == self._paused:
            return False
        self._paused = patterns
        self.select()
        return True

    def select(self) -> None:
        """Divide the streams that may be read among their subscriptions."""
        may_be_read: dict[Subscriber, list[str]] = {subscriber: [] for subscriber in self.turns}
        for stream in self.all.values():
            if any(matches(pattern, stream.event_type) for pattern in self._paused):
                stream.subscriber.paused_streams.add(stream.name)
                continue
            stream.subscriber.paused_streams.discard(stream.name)
            if stream.name not in self._here.unusable_keys:
                may_be_read[stream.subscriber].append(stream.name)
        for subscriber, turns in self.turns.items():
            turns.set(may_be_read[subscriber])
