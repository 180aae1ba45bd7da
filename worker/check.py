"""`hookbus-worker check`: whether workers could do their duty with these apps and this Redis, and what waits for whom.

Pure but for `examine`: what `status` saw goes in, findings come out.
"""

from collections import Counter
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
from .dlq import unsubscribed
from .dlq.unsubscribed import UnsubscribedType
from .inspect import snapshot
from .inspect.snapshot import Bus
from .inspect.status import GroupStatus
from .inventory import registry
from .pipeline.routes import Group
from .rehearsal import rehearse
from .settings import WorkerSettings

DURABILITY: Final = "memory"
"""What a worker insists on: a master that evicts nothing. What a 200 promises is ingest's to check."""


class GroupReport(msgspec.Struct, frozen=True):
    """A group in Redis. `backlog` and `in_flight` are of all its types."""

    name: str
    patterns: list[str]
    consumers_alive: int
    consumers: int
    backlog: int
    in_flight: int
    delayed: int
    dead: int


class Report(msgspec.Struct, frozen=True):
    """Everything that is printed. `apps`: group → patterns of the apps that were named."""

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
        """The gravest finding's."""
        return finding.gravest(self.findings)


async def examine(settings: WorkerSettings, targets: Sequence[str]) -> tuple[Report, Diagnosis]:
    """Look at settings, apps and Redis."""
    findings, groups = _apps(settings, targets)
    client = connect(settings.address(), "hookbus-worker:check", connections=1)
    seen: Bus | None = None
    try:
        examined = await redis_diagnostics.examine(client, settings, DURABILITY, rehearse)
        # One bad stream keeps nobody from looking at the others.
        if examined.redis is not None and not finding.gravest([f for f in examined.findings if f.code != "bad_stream"]):
            seen, problems = await _look(client, settings, groups, examined.url)
            findings += problems
    finally:
        await client.aclose()
    findings += [*examined.findings, *_persistence(examined.redis)]
    if seen is not None:
        findings += [found for name, group in seen.status.groups.items() for found in of_group(name, group)]
        findings += of_unusable(seen)
        findings += [*of_orphans(seen), *(found for group in groups for found in of_app(group, seen))]
    report = Report(
        is_healthy=not finding.gravest(findings),
        apps={group.name: [route.pattern for route in group.routes] for group in groups},
        shards=settings.shards,
        redis_url=examined.url,
        redis=examined.redis,
        headroom=examined.headroom,
        is_unused=examined.is_unused,
        groups=[] if seen is None else [_group(name, seen) for name in seen.status.groups],
        findings=findings,
    )
    return report, examined


async def _look(
    client: Redis, settings: WorkerSettings, groups: Sequence[Group], url: str
) -> tuple[Bus | None, list[Finding]]:
    """The bus, None where Redis refuses to show it, and what is wrong with how it is used."""
    seen: Bus | None = None
    findings: list[Finding] = []
    try:
        seen = await snapshot.fetch(client, settings.shards)
        findings += of_connections(groups, seen, parse_info(await client.execute_command("INFO", "clients")))
        findings += of_unsubscribed(await unsubscribed.fetch(client, await registry.shards(client, settings.shards)))
    except FAULTS as error:
        findings.append(redis_findings.refusal(error, url))
    return seen, findings


def _apps(settings: WorkerSettings, targets: Sequence[str]) -> tuple[list[Finding], list[Group]]:
    try:
        return [], run.groups_of(settings, targets) if targets else []
    except ConfigError as error:
        action = "mend the app; `hookbus-worker run` would not start with it"
        return [Finding(EXIT_CONFIG, "wrong_app", problem, action) for problem in error.problems], []


def _group(name: str, seen: Bus) -> GroupReport:
    group = seen.status.groups[name]
    types = group.types.values()
    return GroupReport(
        name,
        sorted(seen.patterns.get(name, ())),
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
    """What a group needs somebody for."""
    told = output.things
    dead = group.consumers - group.consumers_alive
    if group.abandoned_s is not None:
        problem = f"nobody has worked for {name} for {output.age(group.abandoned_s)}: {told(group.unhandled, 'event')}"
        yield Finding(0, "group_abandoned", problem, f"start its workers, or: hookbus-worker forget {name}")
    elif not group.consumers_alive and group.unhandled and group.is_foreign is not True:
        problem = f"nobody works for {name}, and {told(group.unhandled, 'event')} wait"
        yield Finding(0, "no_worker", problem, "start its workers")
    if dead:
        problem = f"{told(dead, 'consumer')} of {name} without a sign of life"
        action = "nothing, if others live: they take over within 15 s; else start workers"
        yield Finding(0, "dead_consumers", problem, action)
    if group.missing and group.consumers_alive:
        problem = f"{name} has no place on {told(group.missing, 'stream')} with events for it, though workers live"
        yield Finding(0, "group_missing", problem, "look for data_loss and read_failed in their log; restart one")
    yield from of_readers(name, group)
    yield from _of_deliveries(name, group)


def _of_deliveries(name: str, group: GroupStatus) -> Iterator[Finding]:
    for pattern, opened in group.breakers.items():
        problem = f"the breaker of {pattern!r} in {name} is open: {opened.error}"
        yield Finding(0, "breaker_open", problem, f"mend the handler; to try at once: hookbus-worker resume {name}")
    if group.paused:
        problem = f"{', '.join(group.paused)} of {name} paused"
        yield Finding(0, "paused", problem, f"hookbus-worker resume {name}, when it is time")
    if group.dead:
        problem = f"{output.things(group.dead, 'dead letter')} of {name}"
        yield Finding(0, "dead_letters", problem, f"hookbus-worker dlq groups --group {name}; then redrive or discard")
    if group.losses:
        problem = f"streams of {name} had vanished {output.things(group.losses, 'time')} and were made anew"
        yield Finding(0, "data_loss", problem, "find out who flushed or evicted; the senders' events are gone")


def of_unusable(seen: Bus) -> list[Finding]:
    """Keys that hold something else than they should."""
    action = "look what lies there, and remove or rename it: workers and ingest use the key again by themselves"
    return [Finding(0, "unusable_key", f"{key}: {why}", action) for key, why in seen.status.unusable.items()]


def of_readers(name: str, group: GroupStatus) -> Iterator[Finding]:
    """What waits that nobody reads, and who disagrees about what is to be read."""
    for event_type, count in group.unread.items():
        problem = f"nobody reads {event_type} of {name}: {output.things(count, 'event')} wait, and hold up trimming"
        action = f"start a worker that subscribes to it, or: hookbus-worker forget {name} --type {event_type}"
        yield Finding(0, "nobody_reads", problem, action)
    if group.disputed:
        problem = f"consumers of {name} disagree about {', '.join(group.disputed)}"
        yield Finding(
            0, "consumers_disagree", problem, "nothing during a rollout; else restart those of the old release"
        )
    if group.is_foreign is True:
        problem = f"{name} is a consumer group that hookbus did not make, and holds up trimming as any other"
        yield Finding(
            0, "foreign_group", problem, "have whoever made it remove it (XGROUP DESTROY), or ack what it reads"
        )


def of_unsubscribed(places: Sequence[UnsubscribedType]) -> list[Finding]:
    """Redeliveries that nobody will be given."""
    counts: Counter[tuple[str, str]] = Counter()
    for place in places:
        counts[place.group, place.type] += place.waiting
    return [
        Finding(
            0,
            "unheard_redeliveries",
            f"{count:,} redelivered to {group}, which does not subscribe to {output.line(event_type)}",
            f"subscribe to it, or make dead letters of them again: hookbus-worker dlq recall --group {group}",
        )
        for (group, event_type), count in sorted(counts.items())
    ]


def of_orphans(seen: Bus) -> list[Finding]:
    """Events that nobody will ever handle."""
    return [
        Finding(
            0,
            "no_subscription",
            f"{output.things(count, 'event')} of type {name}, to which no group subscribes",
            "subscribe to it, or let it go: after worker.orphan_retention_s it does",
        )
        for name, count in seen.status.orphans.items()
    ]


def of_connections(groups: Sequence[Group], seen: Bus, clients: dict[str, str]) -> list[Finding]:
    """Whether the workers of the apps that were named can have their connections, as many as live now or one."""
    alive = [seen.status.groups[group.name].consumers_alive for group in groups if group.name in seen.status.groups]
    return connections.findings(groups, seen.status.shards or 1, max([1, *alive]), clients) if groups else []


def of_app(group: Group, seen: Bus) -> list[Finding]:
    """How an app differs from what the group's workers last told Redis."""
    known = seen.patterns.get(group.name)
    if known is None:
        problem = f"group {group.name} was never there; its first worker makes it, starting from {group.start}"
        return [Finding(0, "new_group", problem, "check the name, if it should be known")]
    dropped = sorted(known - {route.pattern for route in group.routes})
    if not dropped:
        return []
    problem = f"group {group.name} subscribes to {', '.join(dropped)} in Redis, but not in this app"
    action = "nothing, if that is meant: what was not handled of them waits for nobody once a worker has started"
    return [Finding(0, "dropped_subscription", problem, action)]


def lines(report: Report, examined: Diagnosis) -> list[str]:
    """The report for people."""
    verdict = "fit: workers could do their duty" if report.is_healthy else "not fit: workers could not do their duty"
    return [
        *(f"app          {output.line(name)}: {', '.join(patterns)}" for name, patterns in report.apps.items()),
        f"shards       {report.shards}",
        *examined.lines(),
        *(f"group        {output.line(_told(group))}" for group in report.groups),
        *finding.lines(report.findings),
        "",
        verdict,
    ]


def _told(group: GroupReport) -> str:
    alive = f"{group.consumers_alive} of {output.things(group.consumers, 'consumer')} alive"
    figures = (
        f"{group.backlog:,} backlog, {group.in_flight:,} in flight, {group.delayed:,} delayed, {group.dead:,} dead"
    )
    return f"{group.name}: {alive}, {figures}"
