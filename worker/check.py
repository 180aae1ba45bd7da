"""`hookbus-worker check`: whether workers could run with these apps and this Redis, and the state of each group.

`examine` asks Redis. What is wrong with the bus is what `status` shows; what apps add to it is in `app_findings`.
"""

from collections.abc import Container, Sequence
from typing import Final

import msgspec

from ..shared import finding, output, redis_diagnostics, redis_findings
from ..shared.connection import FAULTS, Redis, connect, parse_info
from ..shared.finding import Finding
from ..shared.headroom import Headroom
from ..shared.redis_diagnostics import Diagnosis
from ..shared.redis_report import RedisReport
from ..shared.settings import EXIT_CONFIG, ConfigError
from . import app_findings, run
from .inspect import differences, processes, snapshot, troubles
from .inspect.snapshot import Bus
from .inspect.trouble import Trouble
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
    findings += [*examined.findings, *_persistence(examined.redis), *finding.exposed(settings.secrets())]
    if bus is not None:
        findings += of_bus(bus, groups, configured, {each.code for each in examined.findings})
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
        findings += app_findings.of_connections(
            groups, bus, parse_info(await client.execute_command("INFO", "clients"))
        )
    except FAULTS as error:
        findings.append(redis_findings.refusal(error, url))
    return bus, findings


def of_bus(bus: Bus, groups: Sequence[Group], configured: frozenset[str], told: Container[str] = ()) -> list[Finding]:
    """The troubles of the bus, but for codes that Redis' own diagnosis has `told`, and what apps add to them."""
    found = [each for each in troubles.of_status(bus.status, bus.now_ms) if each.kind.code not in told]
    found += [each for group in groups for each in app_findings.of_sources(group, bus.status, configured)]
    return [*map(_finding, found), *(each for group in groups for each in app_findings.of_app(group, bus))]


def _finding(trouble: Trouble) -> Finding:
    """A warning: however grave it is, workers could run."""
    return Finding(0, trouble.kind.code, trouble.sentence, trouble.action, trouble.kind.section)


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
