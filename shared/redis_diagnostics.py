"""What can be wrong with a Redis, found for both programs and told with its cure: all of it in one run.

Claims nothing, and leaves nothing changed. A step that Redis refuses does not keep the others from being taken; only
one that finds nobody there does.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from redis.exceptions import ResponseError

from . import aof_replay, headroom, keys, output, redis_report, server, stream_report
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
"""Does for nothing what a program does in earnest. Raises UnhealthyError, RedisError, OSError."""


@dataclass(slots=True)
class Diagnosis:
    """`redis` is None when it could not be looked at; `headroom` is None without a limit."""

    url: str
    redis: RedisReport | None = None
    is_unused: bool = False
    """Nothing of hookbus is there yet."""
    headroom: Headroom | None = None
    findings: list[Finding] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The Redis for people."""
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
    """A Redis that is looked over. `found` is None as long as it has not said what it is."""

    client: Redis
    settings: Common
    durability: str
    is_unsafe: bool
    trial: Trial
    told: Diagnosis
    found: Server | None = None

    @property
    def execute(self) -> Execute:
        """Sends one command."""
        return self.client.execute_command

    @property
    def is_master(self) -> bool:
        """Whether it takes writes, as far as is known."""
        return self.found is None or self.found.info.get("role") == "master"


async def examine(
    client: Redis, settings: Common, durability: str, trial: Trial, *, is_unsafe: bool = False
) -> Diagnosis:
    """Look a Redis over for what `durability` needs, and for what `trial` does."""
    told = Diagnosis(redacted(settings.redis_url))
    context = _Context(client, settings, durability, is_unsafe, trial, told)
    for step in (_server, _layout, _trial, _replay, _streams, _room):
        try:
            await step(context)
        except ConfigError as error:
            told.findings += map(of_wrong_server, error.problems)
            if context.found is None:
                break
        except UnhealthyError as error:
            told.findings.append(of_fault(error.fault, is_unsafe=is_unsafe, is_wrong=bool(error.fault.cure)))
        except ResponseError as error:
            told.findings.append(refusal(error, told.url))
        except FAULTS as error:
            told.findings.append(refusal(error, told.url))
            break
    told.findings = list(dict.fromkeys(told.findings))
    return told


async def _server(context: _Context) -> None:
    found = context.found = await server.fetch(context.execute)
    context.told.findings += faults(found, context.durability, is_unsafe=context.is_unsafe)
    report = context.told.redis = redis_report.report(found, await redis_report.skew_s(context.execute))
    context.told.findings += [*in_cluster(found.info), *warnings(report)]
    context.told.findings += expiring(address_of(context.client).tls, time.time())


async def _layout(context: _Context) -> None:
    context.told.is_unused = await server.is_unused(context.execute, context.settings.shards)
    if not context.told.is_unused and context.is_master:
        # A write that changes nothing: refused when writes are (OOM, MISCONF, NOREPLICAS …).
        await context.execute("HSETNX", keys.META, "layout", keys.LAYOUT)


async def _trial(context: _Context) -> None:
    if not context.is_master:
        return
    await context.trial(context.execute)
    found = context.found
    if context.durability == "fsync" and found is not None and found.setting("appendonly") != "no":
        fsync = Fsync()
        fsync.observe(found.info)
        fault = await fsync.fault(context.execute, found.info)
        context.told.findings += [] if fsync.is_observed else [FSYNC_NOT_OBSERVED]
        context.told.findings += [of_fault(fault, is_unsafe=context.is_unsafe)] if fault else []


async def _replay(context: _Context) -> None:
    redis = context.told.redis
    if context.found is not None and redis is not None and redis.appendonly != "no":
        context.told.findings += await aof_replay.examine(context.execute, context.found.info)


async def _streams(context: _Context) -> None:
    shards = [Keys(shard) for shard in range(context.settings.shards)]
    now_ms = int((await context.execute("TIME"))[0]) * 1000
    context.told.findings += of_streams(await stream_report.fetch(context.client, shards), now_ms)


async def _room(context: _Context) -> None:
    told = context.told
    if told.redis is not None:
        shards = [Keys(shard) for shard in range(context.settings.shards)]
        now_ms = int((await context.execute("TIME"))[0]) * 1000
        told.headroom = await headroom.fetch(context.client, shards, told.redis, now_ms)
        told.findings += little_room(told.headroom)


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 1024 / 1024:.1f} MiB"
