"""What a snapshot of a Redis gives reason to tell: findings about groups, their readers, keys and apps. Pure."""

from collections.abc import Iterator, Sequence

from ..shared import output
from ..shared.finding import Finding
from . import connections
from .inspect.group_status import GroupStatus
from .inspect.snapshot import Bus
from .pipeline.routes import Group


def of_group(name: str, group: GroupStatus) -> Iterator[Finding]:
    """The findings of one group."""
    things = output.things
    dead = group.consumers - group.consumers_alive
    if group.abandoned_s is not None:
        problem = (
            f"{name} has had no worker for {output.age(group.abandoned_s)}, and {things(group.unhandled, 'event')} wait"
        )
        yield Finding(0, "group_abandoned", problem, f"start its workers, or remove it: hookbus-worker forget {name}")
    elif not group.consumers_alive and group.unhandled and group.is_foreign is not True:
        problem = f"{name} has no live worker, and {things(group.unhandled, 'event')} wait"
        yield Finding(0, "no_worker", problem, "start its workers")
    if dead:
        problem = f"{name} has {things(dead, 'dead consumer')}"
        action = "nothing while others are alive: they take over within 15 s; otherwise start workers"
        yield Finding(0, "dead_consumers", problem, action)
    if group.missing and group.consumers_alive:
        problem = f"{name} is missing on {things(group.missing, 'stream')} with events for it, though workers are alive"
        yield Finding(
            0, "group_missing", problem, "search their logs for data_loss and read_failed; restart one worker"
        )
    for event_type, count in group.waiting_suspects.items():
        problem = (
            f"{things(count, 'suspect')} of {event_type} in {name} wait: no live worker of the group that reads"
            " the type can start a quarantine process"
        )
        action = "start one by target, hookbus-worker run MODULE:APP: a worker inside another program leaves them to it"
        yield Finding(0, "waiting_suspects", problem, action)
    yield from of_readers(name, group)
    yield from _of_deliveries(name, group)


def _of_deliveries(name: str, group: GroupStatus) -> Iterator[Finding]:
    for pattern, opened in group.breakers.items():
        problem = f"the circuit breaker of {pattern!r} in {name} is open: {opened.error}"
        yield Finding(0, "breaker_open", problem, f"fix the handler; to close it at once: hookbus-worker resume {name}")
    for pattern, held in group.held.items():
        problem = f"the handler of {pattern!r} in {name} holds its subscription: {held.error}"
        yield Finding(0, "held", problem, f"nothing: it ends by itself; at once: hookbus-worker resume {name}")
    if group.paused:
        reasons = [f"{pattern} ({each.reason})" if each.reason else pattern for pattern, each in group.paused.items()]
        problem = f"{name} is paused: {', '.join(reasons)}"
        yield Finding(0, "paused", problem, f"to resume: hookbus-worker resume {name}")
    if group.dead:
        problem = f"{output.things(group.dead, 'dead letter')} of {name}"
        yield Finding(0, "dead_letters", problem, f"hookbus-worker dlq groups --group {name}; then redrive or discard")
    if group.losses:
        problem = f"streams of {name} vanished {output.things(group.losses, 'time')} and were created again"
        yield Finding(0, "data_loss", problem, "find out what flushed or evicted them; their events are lost")


def of_unusable(bus: Bus) -> list[Finding]:
    """The keys that Redis refuses, such as one of another type."""
    action = "inspect it, then remove or rename it: workers and ingest use the key again by themselves"
    return [Finding(0, "unusable_key", f"{key}: {why}", action) for key, why in bus.status.unusable.items()]


def of_readers(name: str, group: GroupStatus) -> Iterator[Finding]:
    """Types without a reader, consumers with different subscriptions, and foreign groups."""
    for event_type, count in group.unsubscribed.items():
        problem = f"{output.things(count, 'event')} of {event_type} wait in {name}, which does not subscribe to it"
        action = (
            "subscribe to it; or make redeliveries dead letters again: "
            f"hookbus-worker retries dead-letter --group {name} --type {event_type}; or remove them: "
            f"hookbus-worker forget {name} --type {event_type}"
        )
        yield Finding(0, "waits_for_nobody", problem, action)
    for event_type, count in group.unread.items():
        problem = (
            f"no live consumer of {name} reads {event_type}: {output.things(count, 'event')} wait, and hold up trimming"
        )
        action = (
            f"start a worker that subscribes to it, or remove them: hookbus-worker forget {name} --type {event_type}"
        )
        yield Finding(0, "unread_type", problem, action)
    if group.disputed:
        problem = f"only some consumers of {name} subscribe to {', '.join(group.disputed)}"
        yield Finding(
            0, "consumers_disagree", problem, "nothing during a rollout; otherwise restart those of the old release"
        )
    if group.is_foreign is True:
        problem = f"{name} is a consumer group that hookbus did not create; it holds up trimming like any other"
        yield Finding(
            0, "foreign_group", problem, "have its owner remove it (XGROUP DESTROY), or ack the entries that it reads"
        )


def of_orphans(bus: Bus) -> list[Finding]:
    """The events that no group subscribes to."""
    return [
        Finding(
            0,
            "no_subscription",
            f"{output.things(count, 'event')} of type {name}, to which no group subscribes",
            "subscribe to it, or do nothing: they are trimmed after worker.orphan_retention_s",
        )
        for name, count in bus.status.orphans.items()
    ]


def of_connections(groups: Sequence[Group], bus: Bus, clients: dict[str, str]) -> list[Finding]:
    """Check the connections of the named apps for as many workers as are alive now, at least one."""
    alive = [bus.status.groups[group.name].consumers_alive for group in groups if group.name in bus.status.groups]
    return connections.findings(groups, bus.status.shards or 1, max([1, *alive]), clients) if groups else []


def of_app(group: Group, bus: Bus) -> list[Finding]:
    """Compare an app with the subscriptions of its group in Redis."""
    subscribed = bus.patterns.get(group.name)
    if subscribed is None:
        problem = f"group {group.name} does not exist; its first worker creates it, starting from {group.start}"
        return [Finding(0, "new_group", problem, "if it should exist, check its name")]
    dropped = sorted(subscribed - {route.pattern for route in group.routes})
    if not dropped:
        return []
    problem = f"group {group.name} subscribes to {', '.join(dropped)} in Redis, but not in this app"
    action = "nothing if intended: their unhandled events have no handler once a worker has started"
    return [Finding(0, "dropped_subscription", problem, action)]
