"""`hookbus-ingest check`: what a 200 would promise with this configuration and this Redis, and what prevents it.

Exit codes: 0 healthy, 78 the configuration of hookbus or of Redis is wrong, 1 Redis is unreachable or not ready.
"""

import asyncio
from typing import Literal

import msgspec

from ..shared import descriptors, finding, output, redis_diagnostics
from ..shared.connection import Execute, connect
from ..shared.finding import Finding
from ..shared.header_names import Headers
from ..shared.headroom import Headroom
from ..shared.raw_sources import SECRET_VARIABLE
from ..shared.redis_diagnostics import Diagnosis
from ..shared.redis_report import RedisReport
from ..shared.secret import Scheme, key_bytes
from ..shared.settings import EXIT_CONFIG
from ..shared.sources import Source, secrets_of
from . import source_findings
from .rehearsal import rehearse
from .settings import IngestSettings


class SourceReport(msgspec.Struct, frozen=True):
    """A source and its secrets. `key_bytes` are the sizes of their keys, in order."""

    name: str
    path: str
    scheme: Scheme
    prefix: str
    headers: Headers
    secrets: int
    public_keys: int
    key_bytes: list[int]


class Report(msgspec.Struct, frozen=True):
    """Everything that is printed. `redis` is None when it could not be examined."""

    is_healthy: bool
    sources: list[SourceReport]
    listen: str
    durability: Literal["memory", "fsync"]
    dedupe_window_h: int
    shards: int
    redis_url: str
    redis: RedisReport | None
    headroom: Headroom | None
    is_unused: bool
    findings: list[Finding]

    @property
    def exit_code(self) -> int:
        """The exit code of the gravest finding."""
        return finding.gravest(self.findings)


def run(settings: IngestSettings, as_json: bool) -> int:
    """Examine, print the report, and return the exit code."""
    report, diagnosis = asyncio.run(examine(settings))
    if as_json:
        output.print_json(report, indent=2)
    else:
        output.print_lines(_lines(report, diagnosis))
    return report.exit_code


async def examine(settings: IngestSettings) -> tuple[Report, Diagnosis]:
    """Examine settings and Redis; nothing is changed."""
    client = connect(settings.address(), "hookbus-ingest:check", connections=1)
    try:
        diagnosis = await redis_diagnostics.examine(
            client, settings, settings.durability, _trial(settings), is_unsafe=settings.unsafe_redis
        )
    finally:
        await client.aclose()
    sources = [_source(name, source) for name, source in settings.sources.items()]
    findings = [
        *_no_source(settings),
        *diagnosis.findings,
        *source_findings.findings(settings.sources),
        *finding.exposed(settings.secrets()),
        *_few_descriptors(settings.max_connections),
    ]
    report = Report(
        is_healthy=not finding.gravest(findings),
        sources=sources,
        listen=", ".join(map(str, settings.listen)),
        durability=settings.durability,
        dedupe_window_h=settings.dedupe_window_h,
        shards=settings.shards,
        redis_url=diagnosis.url,
        redis=diagnosis.redis,
        headroom=diagnosis.headroom,
        is_unused=diagnosis.is_unused,
        findings=findings,
    )
    return report, diagnosis


def _trial(settings: IngestSettings) -> redis_diagnostics.Trial:
    async def trial(execute: Execute) -> None:
        await rehearse(execute, settings.shards, settings.dedupe_days, loads=True)

    return trial


def _source(name: str, source: Source) -> SourceReport:
    sizes = [len(key_bytes(secret.text, source.key_encoding)) for secret in secrets_of(name, source)]
    prefix = source.owner(name).prefix
    public_keys = len(source.public_keys)
    return SourceReport(name, source.path, source.scheme, prefix, source.headers, len(sizes), public_keys, sizes)


def _no_source(settings: IngestSettings) -> list[Finding]:
    if settings.sources:
        return []
    action = f"set {SECRET_VARIABLE}, or configure [ingest.sources.NAME]"
    return [Finding(EXIT_CONFIG, "no_source", "no source is configured", action)]


def _few_descriptors(max_connections: int) -> list[Finding]:
    room = descriptors.room_for(max_connections)
    if room == max_connections:
        return []
    problem = f"the limit of open files allows {room} connections, not the {max_connections} of max_connections"
    limit = max_connections + descriptors.RESERVED
    action = f"raise the hard limit of open files to {limit}, or lower ingest.max_connections"
    return [Finding(0, "few_descriptors", problem, action)]


def _lines(report: Report, diagnosis: Diagnosis) -> list[str]:
    return [
        *(_source_line(source, report.listen) for source in report.sources),
        f"dedupe       {report.dedupe_window_h} h, each webhook-id is stored once",
        f"shards       {report.shards}",
        *diagnosis.lines(),
        f"durability   {report.durability}: {_promise(report)}",
        *finding.lines(report.findings),
        "",
        "healthy: ingest would answer 200" if report.is_healthy else "unhealthy: ingest would not answer 200",
    ]


def _source_line(source: SourceReport, listen: str) -> str:
    sizes = ", ".join(map(str, source.key_bytes))
    secrets = f"{output.things(source.secrets, 'secret')} of {sizes} bytes" if sizes else ""
    public_keys = output.things(source.public_keys, "public key") if source.public_keys else ""
    keys = ", ".join(filter(None, (secrets, public_keys)))
    prefix = f"prefix {source.prefix}, " if source.prefix else ""
    kind = f"scheme {source.scheme}, {prefix}{source.headers} headers"
    return f"source       {source.name}: POST {source.path} on {listen}, {kind}, {keys}"


def _promise(report: Report) -> str:
    if report.redis is None:
        return "unknown, Redis could not be examined"
    if any(found.code == "not_durable" for found in report.findings):
        return "NOT kept by this Redis"
    if any(found.code == "fsync_not_observed" for found in report.findings):
        return "a 200 survives a crash of Redis and of its machine, by its settings; not observed"
    if report.durability == "memory":
        return "a 200 survives a crash of ingest, but not of Redis"
    return "a 200 survives a crash of Redis and of its machine"
