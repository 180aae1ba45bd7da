"""The states of an event in a group, from what Redis holds of it. Pure.

A delivery passes its event stream, and then perhaps the parked deliveries, a redelivery stream and the dead letters.
Where none of them has it, and the group's position is beyond it, it was handled, unless the group has lost or discarded
deliveries of which no other trace is left: that is said beside it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain

import msgspec

from ...shared.entry import Entry
from ...shared.keys import HANDOVER, is_quarantined
from ...shared.patterns import patterns_of
from ..api.delivery import FIRST_SUSPICION, member_prefix
from .bus import Shard
from .glimpse import Glimpse, Pending
from .life import (
    Dead,
    Discard,
    Discarded,
    Doubt,
    Handled,
    InGroup,
    InHand,
    NotReached,
    NotSubscribed,
    OtherSource,
    Recovered,
    Redelivery,
    Retry,
    State,
    StoredBeforeGroup,
    Subject,
    Trimmed,
    Unknown,
)
from .shelves import Letter, Parked, Redelivered


class Details(msgspec.Struct, frozen=True):
    """What a second question told of a group. `due_ms`: parked delivery → Unix ms; `pending`: entry id of a redelivery
    → who holds it; `deaths`: name of a suspect → the processes that died of it."""

    now_ms: int
    due_ms: Mapping[str, int] = msgspec.field(default_factory=dict)
    snoozed: Collection[str] = ()
    pending: Mapping[str, Pending] = msgspec.field(default_factory=dict)
    deaths: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)


Run = tuple[str, str, int]
"""A group, a consumer of it, and the attempt that it runs."""


class Seen(msgspec.Struct, frozen=True):
    """All that was read of an event and a group. `alive`: the living consumers; `running`: which attempts run, and
    since when (Unix ms); `because`: what keeps deliveries of the type waiting; `discards`: which name the event;
    `narrowed`: the sources to which each worker narrows the type, none for all."""

    subject: Subject
    group: str
    shard: Shard
    glimpse: Glimpse
    details: Details
    alive: Collection[str] = ()
    running: Mapping[Run, int] = msgspec.field(default_factory=dict)
    because: tuple[str, ...] = ()
    discards: Sequence[Discard] = ()
    narrowed: Sequence[tuple[str, ...]] = ()

    @property
    def start(self) -> str:
        """The stream id that the group starts after."""
        return self.shard.starts.get(self.group, "0")

    @property
    def has_passed(self) -> bool:
        """Whether the event is not beyond the position of the group, which begins at its start."""
        assert self.subject.place
        return _id(self.subject.place.entry_id) <= _id(self.glimpse.position or self.start)

    @property
    def subscribes(self) -> bool:
        """Whether the group subscribes to the type, by its last worker to start."""
        return not self.shard.patterns.get(self.group, frozenset()).isdisjoint(patterns_of(self.subject.type))

    @property
    def passed_by(self) -> Sequence[tuple[str, ...]]:
        """What those workers take that ack the event without a run, for its source."""
        return [sources for sources in self.narrowed if sources and self.subject.source not in sources]

    @property
    def receives(self) -> bool:
        """Whether events of the type reach the group: one that no longer subscribes stays on the stream."""
        return self.glimpse.position is not None or self.subscribes


def in_group(seen: Seen) -> InGroup:
    """What a group has to do with an event."""
    states = (*_of_event(seen), *_of_others(seen), *_recovered(seen.glimpse), *_unknown(seen.glimpse))
    return InGroup(states or (_derived(seen),), seen.glimpse.left_out)


def _of_event(seen: Seen) -> Iterator[State]:
    """Whether the delivery of the event itself is in hand, or yet to come."""
    subject, position = seen.subject, seen.glimpse.position
    if subject.place and seen.glimpse.pending:
        name = member_prefix(subject.type, seen.group, is_own_stream=False) + subject.place.entry_id
        yield _in_hand(seen, seen.glimpse.pending, name, subject.entry)
    elif subject.place and seen.receives and not seen.has_passed:
        yield NotReached(_id(position)[0] or None if position else None, seen.because)


def _of_others(seen: Seen) -> Iterator[State]:
    """Its retries, redeliveries and dead letters."""
    for held in seen.glimpse.held:
        match held:
            case Redelivered():
                yield _redelivery(seen, held)
            case Parked(member=member, entry=entry):
                is_snoozed = member in seen.details.snoozed
                yield Retry(entry.attempt, seen.details.due_ms[member], is_snoozed, entry.is_replay, entry.history)
            case Letter(name=name, record=record):
                error = ": ".join(filter(None, (record.error_class, record.message)))
                yield Dead(name, record.dead_lettered_at_ms, record.reason, error, record.attempts)


def _redelivery(seen: Seen, held: Redelivered) -> State:
    entry = held.entry
    if (pending := seen.details.pending.get(held.entry_id)) is not None:
        name = member_prefix(held.type, seen.group, is_own_stream=True) + held.entry_id
        return _in_hand(seen, pending, name, entry)
    return Redelivery(entry.attempt, _id(held.entry_id)[0], entry.is_replay, entry.history, seen.because)


def _in_hand(seen: Seen, pending: Pending, name: str, entry: Entry | None) -> InHand:
    consumer, deaths = pending.consumer, seen.details.deaths.get(name, ())
    attempt = entry.attempt if entry else 1
    return InHand(
        consumer=consumer,
        since_ms=seen.details.now_ms - pending.idle_ms,
        is_alive=consumer in seen.alive,
        is_left=consumer == HANDOVER,
        is_suspect=pending.times_delivered >= FIRST_SUSPICION or is_quarantined(consumer),
        deaths=deaths,
        attempt=attempt,
        running_since_ms=seen.running.get((seen.group, consumer, attempt)),
        is_replay=entry is not None and entry.is_replay,
        history=entry.history if entry else (),
    )


def _recovered(glimpse: Glimpse) -> Iterator[State]:
    """That it was handled, where that is remembered; a replay or a redrive may wait all the same."""
    if (found := glimpse.recovered) is not None:
        yield Recovered(found.attempt, found.handled_at_ms, found.consumer, found.is_replay, found.history)


def _unknown(glimpse: Glimpse) -> Iterator[State]:
    """Why nothing follows from what was not found."""
    for key, error in glimpse.errors.items():
        yield Unknown(f"{key}: {error}")
    if not glimpse.is_decided and glimpse.is_empty and not glimpse.recovered:
        yield Unknown("not among the retries and redeliveries that were looked through")


def _derived(seen: Seen) -> State:
    """The state of an event of which the group holds no delivery."""
    subject = seen.subject
    if subject.type and not seen.receives:
        return NotSubscribed()
    if subject.place:
        is_later = seen.glimpse.position is not None and _id(subject.place.entry_id) > _id(seen.start)
        return _gone(seen) if is_later else StoredBeforeGroup()
    (first_ms, last_ms), start_ms = subject.stored_between, _id(seen.start)[0]
    if last_ms <= start_ms:
        return StoredBeforeGroup()
    if first_ms <= start_ms:
        return Unknown("the event is trimmed, and was stored about when the group began")
    return _gone(seen)


def _gone(seen: Seen) -> State:
    """The state of an event that the group received, if it subscribed to it, and of which nothing is left."""
    shard, group = seen.shard, seen.group
    for each in seen.discards:
        if each.is_certain:
            return Discarded(each)
    takes = tuple(sorted({*chain.from_iterable(seen.passed_by)}))
    if takes and len(seen.passed_by) == len(seen.narrowed):
        return OtherSource(takes)
    doubt = Doubt(
        dropped=shard.dropped.get(group, 0),
        discarded=shard.discarded.get(group, 0),
        losses=shard.losses.get(group, 0),
        discards=tuple(seen.discards),
        takes=takes,
    )
    either = doubt if doubt != Doubt() else None
    return Handled(seen.subject.place is None, either) if seen.subject.type else Trimmed(either)


def _id(text: str) -> tuple[int, int]:
    """A stream id, which may lack its second number."""
    ms, _, number = text.partition("-")
    return int(ms), int(number or 0)
