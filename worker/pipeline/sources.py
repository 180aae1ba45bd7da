"""The streams that a group's reader reads in one shard, and which of them it may read now."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from ...shared.keys import Keys
from .subscriber import Subscriber
from .turns import Turns
from .unusable_keys import UnusableKeys


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """`is_own`: it is the group's own redelivery stream."""

    name: str
    event_type: str
    is_own: bool
    subscriber: Subscriber


class Sources:
    """`subscriber_of` returns the subscriber of a type."""

    def __init__(
        self, keys: Keys, group: str, subscriber_of: Callable[[str], Subscriber], unusable_keys: UnusableKeys
    ) -> None:
        self._keys = keys
        self._group = group
        self._subscriber_of = subscriber_of
        self._unusable_keys = unusable_keys
        self.all: dict[str, Source] = {}
        """Stream → what it is."""
        self.paused: frozenset[str] = frozenset()
        """Types whose streams are not read."""
        self.turns: dict[Subscriber, Turns] = {}
        """The streams of each subscription that may be read."""

    @property
    def types(self) -> list[str]:
        """The event types of the streams."""
        return [source.event_type for source in self.all.values() if not source.is_own]

    @property
    def redelivered(self) -> list[str]:
        """The types whose redelivery streams are among them."""
        return [source.event_type for source in self.all.values() if source.is_own]

    def add(self, types: Collection[str], paused: Iterable[str]) -> list[Subscriber]:
        """Add the streams of types, some of which are paused. Returns the subscribers that had none."""
        self.paused = self.paused.union(paused)
        new = []
        for name in types:
            subscriber = self._subscriber_of(name)
            self._add(self._keys.stream(name), name, subscriber, is_own=False)
            if subscriber not in self.turns:
                self.turns[subscriber] = Turns()
                new.append(subscriber)
        self.select()
        return new

    def open(self, types: Iterable[str]) -> bool:
        """Add the redelivery streams of those types whose events are read. Returns whether there are new ones."""
        before = len(self.all)
        for name in types:
            stream, events = self._keys.redelivery(name, self._group), self.all.get(self._keys.stream(name))
            if events is not None and stream not in self.all:
                self._add(stream, name, events.subscriber, is_own=True)
        if len(self.all) > before:
            self.select()
        return len(self.all) > before

    def close(self, types: Iterable[str]) -> None:
        """Remove the redelivery streams of some types."""
        for name in types:
            source = self.all.pop(self._keys.redelivery(name, self._group))
            source.subscriber.paused_streams.discard(source.name)
        self.select()

    def _add(self, stream: str, event_type: str, subscriber: Subscriber, *, is_own: bool) -> None:
        self.all[stream] = Source(stream, event_type, is_own, subscriber)

    def pause(self, types: frozenset[str]) -> bool:
        """Pause exactly these types. Returns whether that changes anything."""
        if types == self.paused:
            return False
        self.paused = types
        self.select()
        return True

    def select(self) -> None:
        """Divide the streams that may be read among their subscriptions."""
        may_be_read: dict[Subscriber, list[str]] = {subscriber: [] for subscriber in self.turns}
        for source in self.all.values():
            if source.event_type in self.paused:
                source.subscriber.paused_streams.add(source.name)
                continue
            source.subscriber.paused_streams.discard(source.name)
            if source.name not in self._unusable_keys:
                may_be_read[source.subscriber].append(source.name)
        for subscriber, turns in self.turns.items():
            turns.set(may_be_read[subscriber])
