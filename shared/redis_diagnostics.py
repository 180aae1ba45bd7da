"""Diagnostics of a Redis for both programs: every problem in one run, each with its remedy.

Claims nothing, and changes nothing. A step that Redis refuses does not stop the others; an unreachable Redis does.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from redis.exceptions import ResponseError

from . import aof_replay, headroom, keys, layout, output, redis_report, server, stream_report
from .address import redacted
from .connection import FAULTS, Execute, Redis, address_of
from .fault import UnhealthyError
from .finding import Finding
from .fsync import Fsync
from .headroom import Headroom
from .keys import Keys
from .redis_findings import (
    FSYNC_NOT_OBSERVED,
    expiring,
    faults,
    in_cluster,
    little_room,
    of_fault,
    of_streams,
    of_wrong_server,
    refusal,
    warnings,
)
from .redis_report import RedisReport
from .server import Server
from .settings import Common, ConfigError

Trial = Callable[[Execute], Awaitable[None]]
"""Rehearses the commands of a program without effect. Raises UnhealthyError, RedisError, OSError."""


@dataclass(slots=True)
class Diagnosis:
    """The result. `redis` is None if the server could not be inspected; `headroom` is None without a memory limit."""

    url: str
    redis: RedisReport | None = None
    is_unused: bool = False
    """Whether Redis holds nothing of hookbus yet."""
    headroom: Headroom | None = None
    findings: list[Finding] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The state of Redis as text."""
        return [f"redis        {self.url}", *([] if self.redis is None else self._redis_lines(self.redis))]

    def _redis_lines(self, redis: RedisReport) -> list[str]:
        limit = f"of {_mib(redis.maxmemory_bytes)}" if redis.maxmemory_bytes > 0 else "no limit"
        unused = ", nothing of hookbus there yet" if self.is_unused else ""
        replicas = "unknown" if redis.replicas < 0 else redis.replicas
        return [
            f"             {redis.version}, {redis.role}, replicas: {replicas}{unused}",
            f"persistence  appendonly {redis.appendonly or 'unknown'}, appendfsync {redis.appendfsync or 'unknown'}",
            f"eviction     {redis.eviction_policy or 'unknown'}",
            f"memory       {_mib(redis.used_memory_bytes)}, {limit}{self._room()}",
            f"clock        Redis is {redis.clock_skew_ms:+d} ms from ours",
        ]

    def _room(self) -> str:
        room = self.headroom
        if room is None:
            return ""
        absorbs = f"; absorbs about {room.events:,} events of {room.event_bytes} bytes"
        lasts = "" if room.lasts_s is None else f", {output.age(room.lasts_s)} at {room.rate_per_s:g} a second"
        return absorbs + lasts


@dataclass(slots=True)
class _Context:
    """A diagnosis in progress. `server` is None until the server has been fetched."""

    client: Redis
    settings: Common
    durability: str
    is_unsafe: bool
    trial: Trial
    diagnosis: Diagnosis
    server: Server | None = None

    @property
    def execute(self) -> Execute:
        """Sends one command."""
        return self.client.execute_command

    @property
    def is_master(self) -> bool:
        """Whether the server accepts writes, as far as is known."""
        return self.server is None or self.server.info.get("role") == "master"


async def examine(
    client: Redis, settings: Common, durability: str, trial: Trial, *, is_unsafe: bool = False
) -> Diagnosis:
    """Check a Redis against the needs of `durability`, and run `trial`."""
    diagnosis = Diagnosis(redacted(settings.redis_url))
    context = _Context(client, settings, durability, is_unsafe, trial, diagnosis)
    for step in (_server, _layout, _trial, _replay, _streams, _room):
        try:
            await step(context)
        except ConfigError as error:
            diagnosis.findings += map(of_wrong_server, error.problems)
            if context.server is None:
                break
        except UnhealthyError as error:
            diagnosis.findings.append(of_fault(error.fault, is_unsafe=is_unsafe, is_wrong=bool(error.fault.cure)))
        except ResponseError as error:
            diagnosis.findings.append(refusal(error, diagnosis.url))
        except FAULTS as error:
            diagnosis.findings.append(refusal(error, diagnosis.url))
            break
    diagnosis.findings = list(dict.fromkeys(diagnosis.findings))
    return diagnosis


async def _server(context: _Context) -> None:
    fetched = context.server = await server.fetch(context.execute)
    context.diagnosis.findings += faults(fetched, context.durability, is_unsafe=context.is_unsafe)
    report = context.diagnosis.redis = redis_report.report(fetched, await redis_report.skew_s(context.execute))
    context.diagnosis.findings += [*in_cluster(fetched.info), *warnings(report)]
    context.diagnosis.findings += expiring(address_of(context.client).tls, time.time())


async def _layout(context: _Context) -> None:
    context.diagnosis.is_unused = await layout.is_unused(context.execute, context.settings.shards)
    if not context.diagnosis.is_unused and context.is_master:
        # A write that changes nothing: refused when writes are (OOM, MISCONF, NOREPLICAS …).
        await context.execute("HSETNX", keys.META, "layout", keys.LAYOUT)


async def _trial(context: _Context) -> None:
    if not context.is_master:
        return
    await context.trial(context.execute)
    fetched = context.server
    if context.durability == "fsync" and fetched is not None and fetched.setting("appendonly") != "no":
        fsync = Fsync()
        fsync.observe(fetched.info)
        fault = await fsync.fault(context.execute, fetched.info)
        context.diagnosis.findings += [] if fsync.is_observed else [FSYNC_NOT_OBSERVED]
        context.diagnosis.findings += [of_fault(fault, is_unsafe=context.is_unsafe)] if fault else []


async def _replay(context: _Context) -> None:
    redis = context.diagnosis.redis
    if context.server is not None and redis is not None and redis.appendonly != "no":
        context.diagnosis.findings += await aof_replay.examine(context.execute, context.server.info)


async def _streams(context: _Context) -> None:
    shards = [Keys(shard) for shard in range(context.settings.shards)]
    now_ms = int((await context.execute("TIME"))[0]) * 1000
    context.diagnosis.findings += of_streams(await stream_report.fetch(context.client, shards), now_ms)


async def _room(context: _Context) -> None:
    diagnosis = context.diagnosis
    if diagnosis.redis is not None:
        shards = [Keys(shard) for shard in range(context.settings.shards)]
        now_ms = int((await context.execute("TIME"))[0]) * 1000
        diagnosis.headroom = await headroom.fetch(context.client, shards, diagnosis.redis, now_ms)
        diagnosis.findings += little_room(diagnosis.headroom)


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 1024 / 1024:.1f} MiB"
