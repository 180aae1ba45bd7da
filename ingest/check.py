"""`hookbus-ingest check`: what ingest would promise with this configuration and this Redis, and what keeps it from it.

Exit codes: 0 fit, 78 the configuration of hookbus or of Redis is wrong, 1 Redis can't be reached or is not ready.
Looks as `serve` does, so it claims a server on which there is nothing of hookbus yet.
"""

import asyncio
import time
from typing import Final, Literal

import msgspec
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError

from ingest import descriptors, fitness
from ingest.settings import IngestSettings
from shared import server
from shared.command import EXIT_FAILED
from shared.connection import FAULTS, Ask, connect, redacted
from shared.secret import Scheme
from shared.server import Server
from shared.settings import EXIT_CONFIG, ConfigError
from shared.sources import SECRET_VARIABLE, secrets_of

MOST_SKEW_S: Final = 5.0
"""Between our clock and Redis'. Signatures may be 300 s old; clocks kept by NTP differ by milliseconds."""


class Finding(msgspec.Struct, frozen=True):
    """Something to act on. A warning (exit code 0) does not keep ingest from answering 200."""

    exit_code: int
    code: str
    problem: str
    action: str


class SourceReport(msgspec.Struct, frozen=True):
    name: str
    path: str
    scheme: Scheme
    secrets: int


class RedisReport(msgspec.Struct, frozen=True):
    """What the server says; "" and -1 stand for what it does not tell."""

    version: str
    role: str
    eviction_policy: str
    appendonly: str
    appendfsync: str
    used_memory_bytes: int
    maxmemory_bytes: int
    clock_skew_ms: int
    is_new: bool


class Report(msgspec.Struct, frozen=True):
    """Everything that is printed. `redis` is None when it could not be looked at."""

    fit: bool
    sources: list[SourceReport]
    listen: str
    durability: Literal["memory", "fsync"]
    dedupe_window_h: int
    shards: int
    redis_url: str
    redis: RedisReport | None
    findings: list[Finding]

    @property
    def exit_code(self) -> int:
        """The gravest finding's: wrong configuration before a Redis that is away."""
        return max((finding.exit_code for finding in self.findings), default=0)


def run(settings: IngestSettings, as_json: bool) -> int:
    """Look, print, and return the exit code."""
    report = asyncio.run(examine(settings))
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        print("\n".join(_lines(report)))
    return report.exit_code


async def examine(settings: IngestSettings) -> Report:
    """Look at settings and Redis."""
    client = connect(settings.redis_url, "hookbus-ingest:check", connections=1)
    try:
        redis, findings = await _look(client, settings)
    finally:
        await client.aclose()
    if not settings.sources:
        action = f"set {SECRET_VARIABLE}, or configure [ingest.sources.NAME]"
        findings.insert(0, Finding(EXIT_CONFIG, "no_source", "there is nobody to receive from", action))
    findings += _few_descriptors(settings.max_connections)
    return Report(
        fit=not any(finding.exit_code for finding in findings),
        sources=[
            SourceReport(name, source.path, source.scheme, len(secrets_of(name, source)))
            for name, source in settings.sources.items()
        ],
        listen=str(settings.listen),
        durability=settings.durability,
        dedupe_window_h=settings.dedupe_window_h,
        shards=settings.shards,
        redis_url=redacted(settings.redis_url),
        redis=redis,
        findings=findings,
    )


async def _look(client: Redis, settings: IngestSettings) -> tuple[RedisReport | None, list[Finding]]:
    try:
        found = await server.inspect(client.execute_command, settings.shards)
        skew_s = await _skew_s(client.execute_command)
    except ConfigError as error:
        action = "configure what the data were written with, or use another Redis database"
        return None, [Finding(EXIT_CONFIG, "wrong_redis", problem, action) for problem in error.problems]
    except FAULTS as error:
        return None, [_unreachable(error, settings)]
    return _report(found, skew_s), [*_faults(found, settings), *_warnings(found, skew_s)]


async def _skew_s(ask: Ask) -> float:
    """How far Redis' clock is ahead of ours, in seconds; good to half a round trip."""
    before = time.time()
    seconds, micros = await ask("TIME")
    return int(seconds) + int(micros) / 1e6 - (before + time.time()) / 2


def _report(found: Server, skew_s: float) -> RedisReport:
    return RedisReport(
        version=found.info.get("valkey_version") or found.info["redis_version"],
        role=found.info.get("role", ""),
        eviction_policy=found.eviction_policy,
        appendonly=found.setting("appendonly"),
        appendfsync=found.setting("appendfsync"),
        used_memory_bytes=int(found.info.get("used_memory", -1)),
        maxmemory_bytes=int(found.info.get("maxmemory", -1)),
        clock_skew_ms=round(skew_s * 1000),
        is_new=found.is_new,
    )


def _unreachable(error: Exception, settings: IngestSettings) -> Finding:
    # While it connects, redis-py hides the one class inside the other.
    if isinstance(error.__cause__ or error, AuthenticationError | NoPermissionError):
        action = "check user and password in redis_url, and the user's ACL"
        return Finding(EXIT_CONFIG, "access_refused", str(error), action)
    fault = fitness.fault_of(error)
    if fault.code == "not_durable":
        return Finding(EXIT_CONFIG, fault.code, fault.detail, "look at Redis' disk and log: it can't save")
    if fault.code == "overloaded":
        return Finding(EXIT_FAILED, fault.code, fault.detail, "raise maxmemory, or let workers catch up")
    action = f"see that Redis runs at {redacted(settings.redis_url)} and has loaded its data"
    return Finding(EXIT_FAILED, fault.code, fault.detail, action)


def _faults(found: Server, settings: IngestSettings) -> list[Finding]:
    fault = fitness.judge(found, settings.durability)
    if fault is None:
        return []
    action = _action(found)
    if fault.code == "not_durable" and settings.unsafe_redis:
        action = "unsafe_redis is on, so 200s are given all the same: never in production"
        return [Finding(0, fault.code, fault.detail, action)]
    is_wrong = fault.code == "not_durable" or found.info.get("role") != "master"
    return [Finding(EXIT_CONFIG if is_wrong else EXIT_FAILED, fault.code, fault.detail, action)]


def _action(found: Server) -> str:
    """What to do about a fault, looked for in the order in which `fitness.judge` finds them."""
    if found.info.get("role") != "master":
        return "point redis_url at the master"
    if found.info.get("loading") == "1":
        return "wait until Redis has loaded its data"
    if found.eviction_policy != "noeviction":
        return "set maxmemory-policy noeviction: any other evicts whole streams when memory is short"
    if found.info.get("aof_last_write_status", "ok") != "ok":
        return "look at Redis' disk and log"
    return 'set appendonly yes and appendfsync always in Redis, or choose durability = "memory" here'


def _warnings(found: Server, skew_s: float) -> list[Finding]:
    warnings = []
    if found.info.get("maxmemory") == "0":
        action = "set maxmemory, so that Redis refuses writes (503, the sender retries) before the kernel kills it"
        warnings.append(Finding(0, "maxmemory_unlimited", "Redis may take all memory of its machine", action))
    if abs(skew_s) > MOST_SKEW_S:
        action = "keep both by NTP: a wrong clock here refuses fresh signatures as stale"
        warnings.append(Finding(0, "clock_skew", f"Redis' clock and ours differ by {abs(skew_s):.0f} s", action))
    return warnings


def _few_descriptors(wanted: int) -> list[Finding]:
    room = descriptors.room_for(wanted)
    if room == wanted:
        return []
    action = f"raise the hard limit of open files to {wanted + descriptors.RESERVED}, or lower ingest.max_connections"
    return [Finding(0, "few_descriptors", f"here {room} connections fit, not the {wanted} of max_connections", action)]


def _lines(report: Report) -> list[str]:
    lines = [
        f"source       {source.name}: POST {source.path} on {report.listen}, scheme {source.scheme},"
        f" {source.secrets} secret{'s' if source.secrets > 1 else ''}"
        for source in report.sources
    ]
    lines += [
        f"dedupe       {report.dedupe_window_h} h, each webhook-id once",
        f"shards       {report.shards}",
        f"redis        {report.redis_url}",
    ]
    if report.redis is not None:
        lines += _redis_lines(report.redis)
    lines.append(f"durability   {report.durability}: {_promise(report)}")
    for finding in report.findings:
        lines.append(f"\n{'ERROR' if finding.exit_code else 'warning'} {finding.code}: {finding.problem}")
        lines.append(f"  -> {finding.action}")
    lines.append("\nfit: ingest would answer 200" if report.fit else "\nnot fit: ingest would not answer 200")
    return lines


def _redis_lines(redis: RedisReport) -> list[str]:
    limit = f"of {_mib(redis.maxmemory_bytes)}" if redis.maxmemory_bytes > 0 else "no limit"
    return [
        f"             {redis.version}, {redis.role}{', claimed just now for hookbus' if redis.is_new else ''}",
        f"persistence  appendonly {redis.appendonly or 'unknown'}, appendfsync {redis.appendfsync or 'unknown'}",
        f"eviction     {redis.eviction_policy or 'unknown'}",
        f"memory       {_mib(redis.used_memory_bytes)}, {limit}",
        f"clock        Redis is {redis.clock_skew_ms:+d} ms from ours",
    ]


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 1024 / 1024:.1f} MiB"


def _promise(report: Report) -> str:
    if report.redis is None:
        return "unknown, Redis could not be looked at"
    if any(finding.code == "not_durable" for finding in report.findings):
        return "NOT kept by this Redis"
    if report.durability == "memory":
        return "a 200 outlives ingest, not a crash of Redis"
    return "a 200 outlives a crash of Redis and of its machine"
