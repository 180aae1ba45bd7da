"""`hookbus-worker check`: whether workers could run with these apps and this Redis, and the state of each group.

Pure apart from `examine`: a snapshot goes in, findings come out.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from ..shared import finding, output, redis_diagnostics, redis_findings
from ..shared.connection import FAULTS, Redis, connect, parse_info
from ..shared.finding import Finding
from ..shared.headroom import Headroom
from ..shared.redis_diagnostics import Diagnosis
from ..shared.redis_report import RedisReport
from ..shared.settings import EXIT_CONFIG, ConfigError
from . import connections, run
from .inspect import differences, processes, snapshot, unknown_sources
from .inspect.group_status import GroupStatus
from .inspect.snapshot import Bus
from .pipeline.routes import Group
from .rehearsal import rehearse
from .settings import WorkerSettings

DURABILITY: Final = "memory"
"""What a worker requires: a master that evicts nothing. Ingest checks the durability that a 200 promises."""


class GroupReport(msgspec.Struct, frozen=True):
    """A group in Redis. `backlog` and `in_flight` are sums over its types."""

    name: str
    patterns: list[str]
    consumers_alive: int
    consumers: int
    backlog: int
    in_flight: int
    delayed: int
    dead: int


class Report(msgspec.Struct, frozen=True):
    """The whole report. `apps`: group → patterns of the apps on the command line."""

    is_healthy: bool
    apps: dict[str, list[str]]
    shards: int
    redis_url: str
    redis: RedisReport | None
    headroom: Headroom | None
    is_unused: bool
    groups: list[GroupReport]
    findings: list[Finding]

    @property
    def exit_code(self) -> int:
        """The exit code of the gravest finding."""
        return finding.gravest(self.findings)


async def examine(
    settings: WorkerSettings, targets: Sequence[str], configured: frozenset[str] = frozenset()
) -> tuple[Report, Diagnosis]:
    """Check settings, apps and Redis. `configured` are the sources in ingest's settings, as far as they are known."""
    findings, groups = _apps(settings, targets)
    client = connect(settings.address(), "hookbus-worker:check", connections=1)
    bus: Bus | None = None
    try:
        examined = await redis_diagnostics.examine(client, settings, DURABILITY, rehearse)
        # One bad stream does not prevent the checks of the others.
        if examined.redis is not None and not finding.gravest([f for f in examined.findings if f.code != "bad_stream"]):
            bus, problems = await _query(client, settings, groups, examined.url)
            findings += problems
    finally:
        await client.aclose()
    findings += [*examined.findings, *_persistence(examined.redis)]
    if bus is not None:
        findings += [each for name, group in bus.status.groups.items() for each in of_group(name, group)]
        findings += of_unusable(bus)
        findings += unknown_sources.findings(bus.status, groups, configured)
        findings += [*of_orphans(bus), *(each for group in groups for each in of_app(group, bus))]
    report = Report(
        is_healthy=not finding.gravest(findings),
        apps={group.name: [route.pattern for route in group.routes] for group in groups},
        shards=settings.shards,
        redis_url=examined.url,
        redis=examined.redis,
        headroom=examined.headroom,
        is_unused=examined.is_unused,
        groups=[] if bus is None else [_group(name, bus) for name in bus.status.groups],
        findings=findings,
    )
    return report, examined


async def _query(
    client: Redis, settings: WorkerSettings, groups: Sequence[Group], url: str
) -> tuple[Bus | None, list[Finding]]:
    """Return the snapshot, None when Redis refuses it, and the findings about processes and connections."""
    bus: Bus | None = None
    findings: list[Finding] = []
    try:
        bus = await snapshot.fetch(client, settings.shards)
        findings += differences.findings(await processes.fetch(client, settings.shards))
        findings += of_connections(groups, bus, parse_info(await client.execute_command("INFO", "clients")))
    except FAULTS as error:
        findings.append(redis_findings.refusal(error, url))
    return bus, findings


def _apps(settings: WorkerSettings, targets: Sequence[str]) -> tuple[list[Finding], list[Group]]:
    try:
        return [], run.groups_of(settings, targets) if targets else []
    except ConfigError as error:
        action = "fix the app; `hookbus-worker run` would not start with it"
        return [Finding(EXIT_CONFIG, "wrong_app", problem, action) for problem in error.problems], []


def _group(name: str, bus: Bus) -> GroupReport:
    group = bus.status.groups[name]
    types = group.types.values()
    return GroupReport(
        name,
        sorted(bus.patterns.get(name, ())),
        group.consumers_alive,
        group.consumers,
        sum(entry.backlog for entry in types),
        sum(entry.in_flight for entry in types),
        group.delayed,
        group.dead,
    )


def _persistence(redis: RedisReport | None) -> list[Finding]:
    if redis is None or redis.appendonly != "no":
        return []
    problem = "Redis keeps no append-only file: retries and dead letters are lost when it crashes"
    return [Finding(0, "not_persistent", problem, "set appendonly yes and appendfsync always in Redis")]


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


def lines(report: Report, examined: Diagnosis) -> list[str]:
    """Format the report as text."""
    verdict = "healthy: workers could run" if report.is_healthy else "unhealthy: workers could not run"
    return [
        *(f"app          {output.line(name)}: {', '.join(patterns)}" for name, patterns in report.apps.items()),
        f"shards       {report.shards}",
        *examined.lines(),
        *(f"group        {output.line(_counts(group))}" for group in report.groups),
        *finding.lines(report.findings),
        "",
        verdict,
    ]


def _counts(group: GroupReport) -> str:
    alive = f"{group.consumers_alive} of {output.things(group.consumers, 'consumer')} alive"
    figures = (
        f"{group.backlog:,} backlog, {group.in_flight:,} in flight, {group.delayed:,} delayed, {group.dead:,} dead"
    )
    return f"{group.name}: {alive}, {figures}"
