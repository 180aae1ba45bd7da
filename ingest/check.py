"""`hookbus-ingest check`: what ingest would promise with this configuration and this Redis, and what keeps it from it.

Exit codes: 0 fit, 78 the configuration of hookbus or of Redis is wrong, 1 Redis can't be reached or is not ready.
"""

import asyncio
from typing import Final, Literal

import msgspec

from ..shared import descriptors, finding, output, redis_diagnostics, secret_refs
from ..shared.connection import Execute, connect
from ..shared.finding import Finding
from ..shared.headroom import Headroom
from ..shared.redis_diagnostics import Diagnosis
from ..shared.redis_report import RedisReport
from ..shared.secret import PREFIX, Scheme, key_bytes
from ..shared.settings import EXIT_CONFIG
from ..shared.sources import SECRET_VARIABLE, Source, secrets_of
from .rehearsal import rehearse
from .settings import IngestSettings

GOOD_KEY_BYTES: Final = 24
"""What Standard Webhooks asks for at least; some issuers give 16."""


class SourceReport(msgspec.Struct, frozen=True):
    """`key_bytes` are the sizes of its secrets, in order."""

    name: str
    path: str
    scheme: Scheme
    secrets: int
    key_bytes: list[int]


class Report(msgspec.Struct, frozen=True):
    """Everything that is printed. `redis` is None when it could not be looked at."""

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
        """The gravest finding's."""
        return finding.gravest(self.findings)


def run(settings: IngestSettings, as_json: bool) -> int:
    """Look, print, and return the exit code."""
    report, examined = asyncio.run(examine(settings))
    if as_json:
        output.print_json(report, indent=2)
    else:
        print("\n".join(_lines(report, examined)))
    return report.exit_code


async def examine(settings: IngestSettings) -> tuple[Report, Diagnosis]:
    """Look at settings and Redis."""
    client = connect(settings.address(), "hookbus-ingest:check", connections=1)
    try:
        examined = await redis_diagnostics.examine(
            client, settings, settings.durability, _trial(settings), is_unsafe=settings.unsafe_redis
        )
    finally:
        await client.aclose()
    sources = [_source(name, source) for name, source in settings.sources.items()]
    findings = [
        *_nobody(settings),
        *examined.findings,
        *(short for source in sources for short in _short_keys(source)),
        *_unprefixed(settings),
        *_exposed(settings),
        *_few_descriptors(settings.max_connections),
    ]
    report = Report(
        is_healthy=not finding.gravest(findings),
        sources=sources,
        listen=", ".join(str(one) for one in settings.listen),
        durability=settings.durability,
        dedupe_window_h=settings.dedupe_window_h,
        shards=settings.shards,
        redis_url=examined.url,
        redis=examined.redis,
        headroom=examined.headroom,
        is_unused=examined.is_unused,
        findings=findings,
    )
    return report, examined


def _trial(settings: IngestSettings) -> redis_diagnostics.Trial:
    async def trial(execute: Execute) -> None:
        await rehearse(execute, settings.shards, settings.dedupe_days, loads=True)

    return trial


def _source(name: str, source: Source) -> SourceReport:
    sizes = [len(key_bytes(secret.text, source.scheme)) for secret in secrets_of(name, source)]
    return SourceReport(name, source.path, source.scheme, len(sizes), sizes)


def _nobody(settings: IngestSettings) -> list[Finding]:
    if settings.sources:
        return []
    action = f"set {SECRET_VARIABLE}, or configure [ingest.sources.NAME]"
    return [Finding(EXIT_CONFIG, "no_source", "there is nobody to receive from", action)]


def _short_keys(source: SourceReport) -> list[Finding]:
    short = [size for size in source.key_bytes if size < GOOD_KEY_BYTES]
    if not short:
        return []
    problem = f"source {source.name} has a secret of {min(short)} bytes; Standard Webhooks asks for {GOOD_KEY_BYTES}"
    return [Finding(0, "short_secret", problem, "have its issuer make a longer one, if it can")]


def _unprefixed(settings: IngestSettings) -> list[Finding]:
    """OpenAI shows its secrets with their prefix; one without it may be half of one, and then fits nothing."""
    bare = [
        f"source {name}: {word.where}"
        for name, source in settings.sources.items()
        if source.scheme == "openai"
        for word in secrets_of(name, source)
        if not word.text.startswith(PREFIX)
    ]
    problem = f"has no '{PREFIX}' in front, so its characters themselves are the key"
    action = f"paste what OpenAI shows, from '{PREFIX}' on; or scheme = \"standard\" for another sender's base64"
    return [Finding(0, "unprefixed_secret", f"{where} {problem}", action) for where in bare]


def _exposed(settings: IngestSettings) -> list[Finding]:
    """A secret that lies in a file which anybody may read; credentials of systemd are its business."""
    paths = [
        path
        for source in settings.sources.values()
        for secret in source.secrets
        if secret_refs.is_reference(secret)
        for path in secret_refs.files(secret)
    ]
    return finding.exposed(dict.fromkeys(paths))


def _few_descriptors(wanted: int) -> list[Finding]:
    room = descriptors.room_for(wanted)
    if room == wanted:
        return []
    action = f"raise the hard limit of open files to {wanted + descriptors.RESERVED}, or lower ingest.max_connections"
    return [Finding(0, "few_descriptors", f"here {room} connections fit, not the {wanted} of max_connections", action)]


def _lines(report: Report, examined: Diagnosis) -> list[str]:
    return [
        *(_source_line(source, report.listen) for source in report.sources),
        f"dedupe       {report.dedupe_window_h} h, each webhook-id once",
        f"shards       {report.shards}",
        *examined.lines(),
        f"durability   {report.durability}: {_promise(report)}",
        *finding.lines(report.findings),
        "",
        "fit: ingest would answer 200" if report.is_healthy else "not fit: ingest would not answer 200",
    ]


def _source_line(source: SourceReport, listen: str) -> str:
    sizes = ", ".join(map(str, source.key_bytes))
    secrets = f"{source.secrets} secret{'s' if source.secrets > 1 else ''} of {sizes} bytes"
    return f"source       {source.name}: POST {source.path} on {listen}, scheme {source.scheme}, {secrets}"


def _promise(report: Report) -> str:
    if report.redis is None:
        return "unknown, Redis could not be looked at"
    if any(found.code == "not_durable" for found in report.findings):
        return "NOT kept by this Redis"
    if any(found.code == "fsync_not_observed" for found in report.findings):
        return "by its settings a 200 outlives a crash of Redis and of its machine; not observed"
    if report.durability == "memory":
        return "a 200 outlives ingest, not a crash of Redis"
    return "a 200 outlives a crash of Redis and of its machine"
