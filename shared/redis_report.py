"""The state of a Redis, for people and Prometheus."""

import time
from collections.abc import Mapping
from typing import Final

import msgspec

from .connection import Execute
from .server import Server

SAVE_FAILED: Final = (
    "Redis' last write of its append-only file or snapshot failed",
    "check Redis' disk and log; it may refuse writes until a save succeeds",
)
"""The problem when it can't save, and what to do."""


class RedisReport(msgspec.Struct, frozen=True):
    """The state that the server reports; "" and -1 stand for unknown values."""

    version: str
    role: str
    replicas: int
    """Number of connected replicas."""
    eviction_policy: str
    appendonly: str
    appendfsync: str
    can_save: bool
    """Whether its last write of the append-only file and its last snapshot succeeded."""
    used_memory_bytes: int
    maxmemory_bytes: int
    """0 for no limit."""
    clock_skew_ms: int
    """How far its clock is ahead of ours."""

    @property
    def memory_share(self) -> float:
        """Used memory as a share of `maxmemory`, 0.0 where there is no limit."""
        return self.used_memory_bytes / self.maxmemory_bytes if self.maxmemory_bytes > 0 else 0.0


def report(server: Server, skew_s: float) -> RedisReport:
    """The report of a server."""
    info = server.info
    return RedisReport(
        version=info.get("valkey_version") or info["redis_version"],
        role=info.get("role", ""),
        replicas=int(info.get("connected_slaves", -1)),
        eviction_policy=server.eviction_policy,
        appendonly=server.setting("appendonly") or _appendonly(info),
        appendfsync=server.setting("appendfsync"),
        can_save=can_save(info),
        used_memory_bytes=int(info.get("used_memory", -1)),
        maxmemory_bytes=int(info.get("maxmemory", -1)),
        clock_skew_ms=round(skew_s * 1000),
    )


def can_save(info: Mapping[str, str]) -> bool:
    """Whether the last write of the append-only file and the last snapshot succeeded, from the reply of INFO."""
    return {info.get("aof_last_write_status", "ok"), info.get("rdb_last_bgsave_status", "ok")} == {"ok"}


def _appendonly(info: dict[str, str]) -> str:
    """The value of `appendonly` from INFO, for servers that refuse CONFIG."""
    return {"1": "yes", "0": "no"}.get(info.get("aof_enabled", ""), "")


async def skew_s(execute: Execute) -> float:
    """Seconds that Redis' clock is ahead of ours, exact to half a round trip. Raises RedisError, OSError."""
    before = time.time()
    seconds, micros = await execute("TIME")
    return int(seconds) + int(micros) / 1e6 - (before + time.time()) / 2
