"""What can be wrong with a Redis, found for both programs and told with its cure. Changes and claims nothing."""

import time
from dataclasses import dataclass, field
from typing import Final

from redis.asyncio import Redis

from shared import headroom, keys, output, redis_report, server
from shared.address import redacted
from shared.command import EXIT_FAILED
from shared.connection import FAULTS, Ask, address_of
from shared.fault import ACCESS, fault_of, is_access_refused, judge
from shared.finding import Finding
from shared.headroom import Headroom
from shared.keys import Keys
from shared.redis_report import RedisReport
from shared.server import Server
from shared.settings import EXIT_CONFIG, Common, ConfigError
from shared.tls import Tls

MOST_SKEW_S: Final = 5.0
"""Between our clock and Redis'. Signatures may be 300 s old; clocks kept by NTP differ by milliseconds."""
LITTLE_ROOM_S: Final = 3600.0
"""Head room that is worth a warning: an hour for somebody to wake up and look (a guess)."""


@dataclass(slots=True)
class Examined:
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


async def examine(client: Redis, settings: Common, durability: str, *, is_unsafe: bool = False) -> Examined:
    """Look a Redis over for what `durability` needs."""
    ask: Ask = client.execute_command
    told = Examined(redacted(settings.redis_url))
    try:
        found = await server.look(ask)
        told.redis = redis_report.report(found, await redis_report.skew_s(ask))
        told.findings += [*faults(found, durability, is_unsafe=is_unsafe), *warnings(told.redis)]
        told.is_unused = await server.is_unused(ask, settings.shards)
        if not told.is_unused and found.info.get("role") == "master":
            # A write that changes nothing: refused when writes are (OOM, MISCONF, NOREPLICAS …).
            await ask("HSETNX", keys.META, "layout", keys.LAYOUT)
        told.findings += expiring(address_of(client).tls, time.time())
        shards = [Keys(shard) for shard in range(settings.shards)]
        now_ms = int((await ask("TIME"))[0]) * 1000
        told.headroom = await headroom.look(client, shards, told.redis, now_ms)
        told.findings += little_room(told.headroom)
    except ConfigError as error:
        action = "configure what the data were written with, or use another Redis database"
        told.findings += [Finding(EXIT_CONFIG, "wrong_redis", problem, action) for problem in error.problems]
    except FAULTS as error:
        told.findings.append(refusal(error, told.url))
    return told


def refusal(error: Exception, url: str) -> Finding:
    """What follows from an error of a Redis call. `url` holds no password."""
    if is_access_refused(error):
        return Finding(EXIT_CONFIG, "access_refused", str(error), ACCESS)
    fault = fault_of(error)
    if fault.code == "not_durable":
        action = "look at Redis' disk and log, and at its replicas: it refuses writes"
        return Finding(EXIT_CONFIG, fault.code, fault.detail, action)
    if fault.code == "overloaded":
        return Finding(EXIT_FAILED, fault.code, fault.detail, "raise maxmemory, or let workers catch up")
    action = f"see that Redis runs at {url} and has loaded its data"
    return Finding(EXIT_FAILED, fault.code, fault.detail, action)


def faults(found: Server, durability: str, *, is_unsafe: bool) -> list[Finding]:
    """What a server's state and configuration leave to be desired."""
    fault = judge(found, durability)
    if fault is None:
        return []
    if fault.code == "not_durable" and is_unsafe:
        action = "unsafe_redis is on, so 200s are given all the same: never in production"
        return [Finding(0, fault.code, fault.detail, action)]
    is_wrong = fault.code == "not_durable" or found.info.get("role") != "master"
    return [Finding(EXIT_CONFIG if is_wrong else EXIT_FAILED, fault.code, fault.detail, _action(found))]


def _action(found: Server) -> str:
    """What to do about a fault, looked for in the order in which `judge` finds them."""
    if found.info.get("role") != "master":
        return "point redis_url at the master"
    if found.info.get("loading") == "1":
        return "wait until Redis has loaded its data"
    if found.eviction_policy != "noeviction":
        return "set maxmemory-policy noeviction: any other evicts whole streams when memory is short"
    if found.info.get("aof_last_write_status", "ok") != "ok":
        return "look at Redis' disk and log"
    return 'set appendonly yes and appendfsync always in Redis, or choose durability = "memory" here'


def warnings(redis: RedisReport) -> list[Finding]:
    """What will do for now."""
    found = []
    if redis.maxmemory_bytes == 0:
        action = "set maxmemory, so that Redis refuses writes (503, the sender retries) before the kernel kills it"
        found.append(Finding(0, "maxmemory_unlimited", "Redis may take all memory of its machine", action))
    if not redis.can_save:
        action = "look at Redis' disk and log; it may refuse writes until it can"
        found.append(Finding(0, "last_save_failed", "Redis could not write its file or snapshot last time", action))
    if abs(redis.clock_skew_ms) > MOST_SKEW_S * 1000:
        problem = f"Redis' clock and ours differ by {abs(redis.clock_skew_ms) / 1000:.0f} s"
        action = "keep both by NTP: a wrong clock here refuses fresh signatures as stale"
        found.append(Finding(0, "clock_skew", problem, action))
    return found


def expiring(tls: Tls, now_s: float) -> list[Finding]:
    """The certificates that should have been renewed by now: at their end no connection is made any more."""
    whose = {"Redis' certificate": tls.server, "our certificate (redis_cert_file)": tls.client()}
    return [
        Finding(
            0,
            "certificate_expires",
            f"{name} ends in {output.age(max(0.0, validity.ends_s - now_s))}",
            "renew it; the files are read again for each connection, so no restart is needed",
        )
        for name, validity in whose.items()
        if validity is not None and validity.ends_soon(now_s)
    ]


def little_room(room: Headroom | None) -> list[Finding]:
    """Whether memory ends soon at the present rate."""
    if room is None or room.lasts_s is None or room.lasts_s >= LITTLE_ROOM_S:
        return []
    problem = f"memory for {room.events:,} events: {output.age(room.lasts_s)} at the present rate, if none is handled"
    action = "raise maxmemory, start workers, or lower worker.retention_events"
    return [Finding(0, "little_head_room", problem, action)]


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 1024 / 1024:.1f} MiB"
