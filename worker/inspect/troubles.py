"""What there is to say about a group, worst first: for the tools and for whoever else shows a status.

Pure: a status goes in, words come out, free of control characters.
"""

from collections.abc import Iterator, Mapping
from enum import IntEnum
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


class Trouble(NamedTuple):
    """One thing to say. `is_brief`: a few words that fit beside others; else a sentence."""

    grade: Grade
    text: str
    is_brief: bool = False


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
        yield Trouble(Grade.STOPPED, text, is_brief=True)
    elif group.unhandled and not group.consumers_alive and group.is_foreign is not True:
        yield Trouble(Grade.STOPPED, "no worker", is_brief=True)
    for event_type, count in group.unsubscribed.items():
        yield Trouble(
            Grade.STOPPED, output.line(f"{count:,} of {event_type} wait, and the group does not subscribe to it")
        )
    for event_type, count in group.unread.items():
        yield Trouble(Grade.STOPPED, output.line(f"no live consumer reads {event_type}: {count:,} wait"))
    for source, patterns in group.unknown_sources.items():
        text = f"{', '.join(patterns)} takes source {source}, which no ingest has"
        yield Trouble(Grade.STOPPED, output.line(text))
    for pattern, opened in group.breakers.items():
        due_s = (opened.until_ms - now_ms) / 1000
        tries = f"tries in {output.age(due_s)}" if due_s > 0 else "tries now"
        text = f"breaker of {pattern} open, {tries} ({opened.fingerprint}: {opened.error})"
        yield Trouble(Grade.STOPPED, output.line(text))
    for event_type, count in group.waiting_suspects.items():
        text = f"{output.things(count, 'suspect')} of {event_type} wait for a worker with a quarantine"
        yield Trouble(Grade.STOPPED, output.line(text))


def _dead(group: GroupStatus) -> Iterator[Trouble]:
    if group.dead:
        yield Trouble(Grade.DEAD, f"{group.dead:,} dead", is_brief=True)
    if group.dropped:
        yield Trouble(Grade.DEAD, f"{group.dropped:,} dead letters dropped by retention")
    if group.losses:
        yield Trouble(Grade.DEAD, f"data loss seen {output.things(group.losses, 'time')}")


def _waiting(group: GroupStatus, now_ms: int) -> Iterator[Trouble]:
    for pattern, paused in group.paused.items():
        yield Trouble(Grade.WAITS, output.line(f"paused: {pattern}{f' ({paused.reason})' if paused.reason else ''}"))
    for pattern, held in group.held.items():
        text = f"{pattern} held for {output.age((held.until_ms - now_ms) / 1000)} more ({held.error})"
        yield Trouble(Grade.WAITS, output.line(text))
    if group.is_foreign is True:
        yield Trouble(Grade.WAITS, "not created by hookbus, holds up trimming")
    if group.disputed:
        yield Trouble(Grade.WAITS, output.line(f"consumers disagree about {', '.join(group.disputed)}"))


def _retries(group: GroupStatus, now_ms: int) -> Iterator[Trouble]:
    if group.delayed:
        due_s = ((group.next_due_ms or now_ms) - now_ms) / 1000
        due = f"in {output.age(due_s)}" if due_s > 0 else "due"
        yield Trouble(Grade.FINE, f"{group.delayed:,} delayed, next {due}", is_brief=True)
    if group.snoozed:
        yield Trouble(Grade.FINE, _snoozed(group, now_ms))


def _snoozed(group: GroupStatus, now_ms: int) -> str:
    text = f"{group.snoozed:,} of them snoozed by their handler"
    if group.snoozed_since_ms is None or group.snoozed_until_ms is None:
        return text
    until_s = (group.snoozed_until_ms - now_ms) / 1000
    since = output.since(group.snoozed_since_ms, now_ms)
    return f"{text}, the longest since {since}, {'for ' + output.age(until_s) + ' more' if until_s > 0 else 'now due'}"


def headline(status: Status, found: Mapping[str, list[Trouble]]) -> list[Trouble]:
    """The whole bus in a few words: groups, what is wrong, what waits. `found`: group → its troubles."""
    groups = status.groups.values()
    nobody = sum(sum(each.unread.values()) + sum(each.unsubscribed.values()) for each in groups)
    without = sum(each.grade is Grade.STOPPED and each.is_brief for troubles in found.values() for each in troubles)
    entries = [entry for group in groups for entry in group.types.values()]
    counted = [
        (Grade.STOPPED, len(status.unusable), "unusable key", "unusable keys"),
        (Grade.STOPPED, without, "group without a worker", "groups without a worker"),
        (Grade.STOPPED, sum(len(each.breakers) for each in groups), "breaker open", "breakers open"),
        (Grade.STOPPED, nobody, "read by nobody", ""),
        (Grade.DEAD, sum(each.dead for each in groups), "dead", ""),
        (Grade.WAITS, sum(bool(each.paused) for each in groups), "group paused", "groups paused"),
        (Grade.WAITS, sum(bool(each.held) for each in groups), "group held", "groups held"),
        (Grade.WAITS, sum(status.orphans.values()), "orphan", "orphans"),
        (Grade.FINE, sum(entry.backlog for entry in entries), "backlog", ""),
        (Grade.FINE, sum(entry.in_flight for entry in entries), "in flight", ""),
        (Grade.FINE, sum(each.delayed for each in groups), "delayed", ""),
    ]
    parts = [Trouble(how, _counted(count, *words), is_brief=True) for how, count, *words in counted if count]
    waits = parts or [Trouble(Grade.FINE, "nothing waits", is_brief=True)]
    return [Trouble(Grade.FINE, output.things(len(status.groups), "group"), is_brief=True), *waits]


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 or not many else many}"
