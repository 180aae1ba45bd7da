"""What is wrong with a bus, for `status`, `check` and the console.

Pure: a status goes in, words come out. Names and errors in them come from outside: who shows them escapes them.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ...shared import output
from ...shared.memory import NEARLY_FULL
from ...shared.redis_report import SAVE_FAILED
from ..inventory import known_sources, pauses
from ..inventory.suspensions import Opened
from .group_status import GroupStatus
from .status import Status
from .trouble import Grade, Kind, Remedy, Trouble


def grade(troubles: Iterable[Trouble]) -> Grade:
    """The gravest."""
    return max((each.grade for each in troubles), default=Grade.FINE)


def worst_first(troubles: Iterable[Trouble]) -> list[Trouble]:
    """In the order of their kinds."""
    return sorted(troubles, key=lambda each: each.kind.rank)


def of_status(status: Status, now_ms: int) -> list[Trouble]:
    """All that is wrong, worst first."""
    of_groups = [each for found in by_group(status, now_ms).values() for each in found]
    return worst_first(each for each in (*of_bus(status), *of_groups) if each.grade)


def by_group(status: Status, now_ms: int) -> dict[str, list[Trouble]]:
    """Group → everything about it, its retries too, worst first."""
    known = frozenset(status.sources)
    return {name: worst_first(_of_group(name, group, known, now_ms)) for name, group in status.groups.items()}


def groups_worst_first(groups: Mapping[str, GroupStatus], found: Mapping[str, list[Trouble]]) -> list[str]:
    """The names of groups: the gravest trouble first, then most dead letters, then most that waits, then by name."""

    def rank(name: str) -> tuple[int, int, int, str]:
        return -grade(found[name]), -groups[name].dead, -groups[name].unhandled, name

    return sorted(groups, key=rank)


def of_bus(status: Status) -> list[Trouble]:
    """What belongs to no group, worst first."""
    found = [*_of_redis(status.memory_share, can_save=status.can_save)]
    for name, reason in status.not_ready.items():
        action = "see its log, or run on its machine: hookbus-ingest check"
        found.append(Trouble(Kind.NOT_READY, f"ingest {name} is not ready: {reason}", action))
    for key, reason in status.unusable.items():
        action = "inspect it, then remove or rename it: workers and ingest use the key again by themselves"
        found.append(Trouble(Kind.UNUSABLE, f"Redis refuses {key}: {reason}", action))
    for event_type, count in status.orphans.items():
        problem = f"{output.things(count, 'event')} of type {event_type}, to which no group subscribes"
        action = "subscribe to it, or do nothing: they are trimmed after worker.orphan_retention_s"
        found.append(Trouble(Kind.ORPHAN, problem, action, counted=count))
    return found


def _of_redis(memory_share: float, *, can_save: bool) -> Iterator[Trouble]:
    action = "raise maxmemory, or let groups catch up"
    if memory_share >= 1:
        yield Trouble(Kind.REDIS_FULL, "Redis is full: it refuses every event", action)
    if not can_save:
        yield Trouble(Kind.SAVE_FAILED, *SAVE_FAILED)
    if NEARLY_FULL < memory_share < 1:
        problem = f"Redis has used {memory_share:.0%} of its memory: when it is full it refuses events"
        yield Trouble(Kind.NEARLY_FULL, problem, action)


def _of_group(name: str, group: GroupStatus, known: frozenset[str], now_ms: int) -> Iterator[Trouble]:
    found = (
        *_of_workers(name, group),
        *_unhandled(group, name),
        *of_sources(name, group.unknown_sources, known),
        *_suspended(name, group, now_ms),
        *_lost(name, group),
        *_retries(group, now_ms),
    )
    return (each._replace(group=name) for each in found)


def _of_workers(name: str, group: GroupStatus) -> Iterator[Trouble]:
    things, does, unhandled = output.things, output.does, group.unhandled
    waiting = f"{things(unhandled, 'event')} {does(unhandled, 'wait')}"
    if group.abandoned_s is not None:
        forget = Remedy("forget", "Forget", name)
        problem = f"abandoned for {output.age(group.abandoned_s)}, {waiting} and {does(unhandled, 'hold')} up trimming"
        action = f"start its workers, or remove it: {forget.command}"
        yield Trouble(Kind.ABANDONED, problem, action, is_brief=True, remedy=forget)
    elif unhandled and not group.consumers_alive and group.is_foreign is not True:
        yield Trouble(Kind.NO_WORKER, f"no live worker, {waiting}", "start its workers", is_brief=True)
    if dead := group.consumers - group.consumers_alive:
        action = "nothing while others are alive: they take over within 15 s; otherwise start workers"
        yield Trouble(Kind.DEAD_CONSUMER, things(dead, "dead consumer"), action, counted=dead, is_brief=True)
    if group.missing and group.consumers_alive:
        problem = f"missing on {things(group.missing, 'stream')} with events for it, though workers are alive"
        action = "search their logs for data_loss and read_failed; restart one worker"
        yield Trouble(Kind.MISSING, problem, action, counted=group.missing)
    if group.disputed:
        problem = f"only some consumers subscribe to {', '.join(group.disputed)}"
        action = "nothing during a rollout; otherwise restart those of the old release"
        yield Trouble(Kind.DISPUTED, problem, action, counted=len(group.disputed))
    if group.is_foreign is True:
        action = "have its owner remove it (XGROUP DESTROY), or ack the entries that it reads"
        yield Trouble(Kind.FOREIGN, "not created by hookbus, holds up trimming", action)


def _unhandled(group: GroupStatus, name: str) -> Iterator[Trouble]:
    """What waits though workers are alive."""
    for event_type, count in group.unsubscribed.items():
        chosen = shlex.join((name, "--type", event_type))
        events = f"{output.things(count, 'event')} of {event_type} {output.does(count, 'wait')}"
        problem = f"{events}, and the group does not subscribe to it"
        action = (
            f"subscribe to it; or make redeliveries dead letters again: hookbus-worker retries dead-letter --group"
            f" {chosen}; or remove them: hookbus-worker forget {chosen}"
        )
        yield Trouble(Kind.UNSUBSCRIBED, problem, action, counted=count)
    for event_type, count in group.unread.items():
        events = f"{output.things(count, 'event')} {output.does(count, 'wait')}, and {output.does(count, 'hold')}"
        problem = f"no live consumer reads {event_type}: {events} up trimming"
        action = (
            "start a worker that subscribes to it; or to remove them, deploy the group without its handler, then:"
            f" hookbus-worker forget {shlex.join((name, '--type', event_type))}"
        )
        yield Trouble(Kind.UNREAD, problem, action, counted=count)
    for event_type, count in group.waiting_suspects.items():
        suspects = f"{output.things(count, 'suspect')} of {event_type} {output.does(count, 'wait')}"
        problem = f"{suspects} for a worker with a quarantine"
        action = "a worker inside another program has none; start one by target: hookbus-worker run MODULE:APP"
        yield Trouble(Kind.SUSPECT, problem, action, counted=count)


def of_sources(name: str, unknown: Mapping[str, Sequence[str]], known: frozenset[str]) -> Iterator[Trouble]:
    """Those of subscriptions of a group to sources that no ingest has: source → patterns."""
    action = "correct source= of the app or the handler, or configure the source; until then its events are acked unrun"
    for problem in known_sources.problems(unknown, known):
        yield Trouble(Kind.UNKNOWN_SOURCE, problem, action, name)


def _suspended(name: str, group: GroupStatus, now_ms: int) -> Iterator[Trouble]:
    for pattern, opened in group.breakers.items():
        reset = _resume("Reset breaker", name, pattern)
        problem = f"breaker of {pattern} {trial(opened, now_ms)} ({opened.fingerprint}: {opened.error})"
        yield Trouble(Kind.BREAKER, problem, f"fix the handler; to try at once: {reset.command}", remedy=reset)
    for pattern, paused in group.paused.items():
        resume = _resume("Resume", name, pattern)
        problem = f"paused: {pattern}{f' ({paused.reason})' if paused.reason else ''}"
        yield Trouble(Kind.PAUSED, problem, f"to resume: {resume.command}", remedy=resume)
    for pattern, held in group.held.items():
        resume = _resume("Resume", name, pattern)
        problem = f"{pattern} held for {output.age((held.until_ms - now_ms) / 1000)} more ({held.error})"
        yield Trouble(Kind.HELD, problem, f"nothing: it ends by itself; at once: {resume.command}", remedy=resume)


def _resume(label: str, group: str, pattern: str) -> Remedy:
    return Remedy("resume", label, group, "" if pattern == pauses.ALL else pattern)


def trial(opened: Opened, now_ms: int) -> str:
    """Since when a breaker is open, and when it lets a delivery try."""
    due_s = (opened.until_ms - now_ms) / 1000
    tries = f"tries in {output.age(due_s)}" if due_s > 0 else "tries now"
    return f"open for {output.since(opened.since_ms, now_ms)}, {tries}"


def _lost(name: str, group: GroupStatus) -> Iterator[Trouble]:
    if group.losses:
        problem = f"data loss: its streams vanished {output.things(group.losses, 'time')} and were created again"
        action = "find out what flushed or evicted them; their events are lost"
        yield Trouble(Kind.LOSS, problem, action, counted=group.losses)
    if group.dead:
        action = f"find the causes, then redrive or discard them: hookbus-worker dlq groups --group {name}"
        problem = output.things(group.dead, "dead letter")
        yield Trouble(Kind.DEAD, problem, action, counted=group.dead, is_brief=True)
    if group.dropped:
        problem = f"{output.things(group.dropped, 'dead letter')} dropped by retention"
        action = "nothing if intended; otherwise raise worker.dead_retention_s or worker.dead_retention_events"
        yield Trouble(Kind.DROPPED, problem, action, counted=group.dropped)


def _retries(group: GroupStatus, now_ms: int) -> Iterator[Trouble]:
    if group.delayed:
        due_s = ((group.next_due_ms or now_ms) - now_ms) / 1000
        due = f"in {output.age(due_s)}" if due_s > 0 else "due"
        yield Trouble(Kind.DELAYED, f"{group.delayed:,} delayed, next {due}", counted=group.delayed, is_brief=True)
    if group.snoozed:
        yield Trouble(Kind.DELAYED, _snoozed(group, now_ms), counted=0)  # they are among the delayed


def _snoozed(group: GroupStatus, now_ms: int) -> str:
    text = f"{group.snoozed:,} of them snoozed by their handler"
    if group.snoozed_since_ms is None or group.snoozed_until_ms is None:
        return text
    until_s = (group.snoozed_until_ms - now_ms) / 1000
    since = output.since(group.snoozed_since_ms, now_ms)
    return f"{text}, the longest since {since}, {'for ' + output.age(until_s) + ' more' if until_s > 0 else 'now due'}"
