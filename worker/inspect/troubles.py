"""What there is to say about a group, worst first: for the tools and for whoever else shows a status.

Pure: a status goes in, words come out, free of control characters.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from enum import Enum, IntEnum
from typing import NamedTuple

from ...shared import output
from .group_status import GroupStatus
from .status import Status


class Grade(IntEnum):
    """How much a group needs somebody."""

    FINE = 0
    """Ordinary work, retries among it."""
    WAITS = 1
    """Somebody decided so, or it ends by itself."""
    DEAD = 2
    """Deliveries or events are lost to the handlers until somebody acts."""
    STOPPED = 3
    """Events wait, and nothing will handle them."""


class Kind(Enum):
    """What can be wrong, worst first: its grade, and its words in the headline, after the count."""

    REDIS = Grade.STOPPED, "fault of Redis", "faults of Redis"
    NOT_READY = Grade.STOPPED, "ingest not ready", "ingests not ready"
    UNUSABLE = Grade.STOPPED, "unusable key", "unusable keys"
    NO_WORKER = Grade.STOPPED, "group without a worker", "groups without a worker"
    BREAKER = Grade.STOPPED, "breaker open", "breakers open"
    NOBODY = Grade.STOPPED, "read by nobody", "read by nobody"
    UNKNOWN_SOURCE = Grade.STOPPED, "unknown source", "unknown sources"
    SUSPECT = Grade.STOPPED, "suspect without a quarantine", "suspects without a quarantine"
    LOSS = Grade.DEAD, "data loss", "data losses"
    DEAD = Grade.DEAD, "dead", "dead"
    DROPPED = Grade.DEAD, "dropped", "dropped"
    PAUSED = Grade.WAITS, "pause", "pauses"
    HELD = Grade.WAITS, "hold", "holds"
    ORPHAN = Grade.WAITS, "orphan", "orphans"
    FOREIGN = Grade.WAITS, "group not of hookbus", "groups not of hookbus"
    DISPUTED = Grade.WAITS, "pattern disputed", "patterns disputed"
    BACKLOG = Grade.FINE, "backlog", "backlog"
    IN_FLIGHT = Grade.FINE, "in flight", "in flight"
    DELAYED = Grade.FINE, "delayed", "delayed"

    def __init__(self, grade: Grade, one: str, many: str) -> None:
        self.grade = grade
        self.one = one
        self.many = many


class Trouble(NamedTuple):
    """One thing to say. `is_brief`: a few words that fit beside others. `counted`: what it adds to the headline."""

    kind: Kind
    text: str
    counted: int = 1
    is_brief: bool = False

    @property
    def grade(self) -> Grade:
        """How grave it is."""
        return self.kind.grade


def grade(troubles: list[Trouble]) -> Grade:
    """The gravest."""
    return max((each.grade for each in troubles), default=Grade.FINE)


def of_group(group: GroupStatus, now_ms: int) -> list[Trouble]:
    """Everything about one group, the gravest first."""
    found = [*_stopped(group, now_ms), *_dead(group), *_waiting(group, now_ms), *_retries(group, now_ms)]
    return sorted(found, key=lambda each: -each.grade)


def _stopped(group: GroupStatus, now_ms: int) -> Iterator[Trouble]:
    if group.abandoned_s is not None:
        text = f"abandoned for {output.age(group.abandoned_s)}, holds up trimming"
        yield Trouble(Kind.NO_WORKER, text, is_brief=True)
    elif group.unhandled and not group.consumers_alive and group.is_foreign is not True:
        yield Trouble(Kind.NO_WORKER, "no worker", is_brief=True)
    for event_type, count in group.unsubscribed.items():
        text = f"{count:,} of {event_type} wait, and the group does not subscribe to it"
        yield Trouble(Kind.NOBODY, output.line(text), count)
    for event_type, count in group.unread.items():
        yield Trouble(Kind.NOBODY, output.line(f"no live consumer reads {event_type}: {count:,} wait"), count)
    for source, patterns in group.unknown_sources.items():
        text = f"{', '.join(patterns)} takes source {source}, which no ingest has"
        yield Trouble(Kind.UNKNOWN_SOURCE, output.line(text))
    for pattern, opened in group.breakers.items():
        due_s = (opened.until_ms - now_ms) / 1000
        tries = f"tries in {output.age(due_s)}" if due_s > 0 else "tries now"
        text = f"breaker of {pattern} open, {tries} ({opened.fingerprint}: {opened.error})"
        yield Trouble(Kind.BREAKER, output.line(text))
    for event_type, count in group.waiting_suspects.items():
        text = f"{output.things(count, 'suspect')} of {event_type} wait for a worker with a quarantine"
        yield Trouble(Kind.SUSPECT, output.line(text), count)


def _dead(group: GroupStatus) -> Iterator[Trouble]:
    if group.dead:
        yield Trouble(Kind.DEAD, f"{group.dead:,} dead", group.dead, is_brief=True)
    if group.dropped:
        yield Trouble(Kind.DROPPED, f"{group.dropped:,} dead letters dropped by retention", group.dropped)
    if group.losses:
        yield Trouble(Kind.LOSS, f"data loss seen {output.things(group.losses, 'time')}", group.losses)


def _waiting(group: GroupStatus, now_ms: int) -> Iterator[Trouble]:
    for pattern, paused in group.paused.items():
        yield Trouble(Kind.PAUSED, output.line(f"paused: {pattern}{f' ({paused.reason})' if paused.reason else ''}"))
    for pattern, held in group.held.items():
        text = f"{pattern} held for {output.age((held.until_ms - now_ms) / 1000)} more ({held.error})"
        yield Trouble(Kind.HELD, output.line(text))
    if group.is_foreign is True:
        yield Trouble(Kind.FOREIGN, "not created by hookbus, holds up trimming")
    if group.disputed:
        text = f"consumers disagree about {', '.join(group.disputed)}"
        yield Trouble(Kind.DISPUTED, output.line(text), len(group.disputed))


def _retries(group: GroupStatus, now_ms: int) -> Iterator[Trouble]:
    if group.delayed:
        due_s = ((group.next_due_ms or now_ms) - now_ms) / 1000
        due = f"in {output.age(due_s)}" if due_s > 0 else "due"
        yield Trouble(Kind.DELAYED, f"{group.delayed:,} delayed, next {due}", group.delayed, is_brief=True)
    if group.snoozed:
        yield Trouble(Kind.DELAYED, _snoozed(group, now_ms), 0)  # they are among the delayed


def _snoozed(group: GroupStatus, now_ms: int) -> str:
    text = f"{group.snoozed:,} of them snoozed by their handler"
    if group.snoozed_since_ms is None or group.snoozed_until_ms is None:
        return text
    until_s = (group.snoozed_until_ms - now_ms) / 1000
    since = output.since(group.snoozed_since_ms, now_ms)
    return f"{text}, the longest since {since}, {'for ' + output.age(until_s) + ' more' if until_s > 0 else 'now due'}"


def worst_first(groups: Mapping[str, GroupStatus], found: Mapping[str, list[Trouble]]) -> list[str]:
    """The names of groups: the gravest trouble first, then most dead letters, then most that waits, then by name."""

    def rank(name: str) -> tuple[int, int, int, str]:
        return -grade(found[name]), -groups[name].dead, -groups[name].unhandled, name

    return sorted(groups, key=rank)


def of_bus(status: Status) -> list[Trouble]:
    """What belongs to no group, the gravest first, but for the orphans, which have a table."""
    found = [Trouble(Kind.REDIS, fault) for fault in status.faults]
    for name, reason in status.not_ready.items():
        found.append(Trouble(Kind.NOT_READY, output.line(f"ingest {name} is not ready: {reason}")))
    for key, reason in status.unusable.items():
        found.append(Trouble(Kind.UNUSABLE, output.line(f"unusable key {key}: {reason}")))
    return found


def headline(status: Status, found: Mapping[str, list[Trouble]]) -> list[Trouble]:
    """The whole bus in a few words: groups, what is wrong, what waits. `found`: group → its troubles."""
    counts = Counter[Kind]()
    for each in (*of_bus(status), *(each for troubles in found.values() for each in troubles)):
        counts[each.kind] += each.counted
    entries = [entry for group in status.groups.values() for entry in group.types.values()]
    counts[Kind.ORPHAN] = sum(status.orphans.values())
    counts[Kind.BACKLOG] = sum(entry.backlog for entry in entries)
    counts[Kind.IN_FLIGHT] = sum(entry.in_flight for entry in entries)
    parts = [Trouble(kind, _counted(counts[kind], kind), is_brief=True) for kind in Kind if counts[kind]]
    waits = parts or [Trouble(Kind.BACKLOG, "nothing waits", is_brief=True)]
    return [Trouble(Kind.BACKLOG, output.things(len(status.groups), "group"), is_brief=True), *waits]


def _counted(count: int, kind: Kind) -> str:
    return f"{count:,} {kind.one if count == 1 else kind.many}"
