"""Inspects a Redis before the programs trust it: its version, its role, and the layout of its data.

The first program that connects to an empty server stores the layout version and the shard count; all later ones must
agree, since an event's shard, and with it its dedupe, depends on the count.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from redis.exceptions import ResponseError

from . import keys
from .connection import Execute, parse_info
from .settings import ConfigError

OLDEST: Final = (7, 0)
"""Redis 7.0 brought EXPIRE NX and CONFIG GET of several names. Valkey reports itself as 7.2."""

SETTINGS: Final = ("appendonly", "appendfsync", "no-appendfsync-on-rewrite", "maxmemory-policy")
"""The settings that the guarantees depend on."""


@dataclass(frozen=True, slots=True)
class Server:
    """The state and configuration of a server. `config` is empty if CONFIG is refused, as by managed services."""

    info: dict[str, str]
    config: dict[str, str]
    is_new: bool = False
    """Whether the server held nothing of hookbus before this call."""

    def setting(self, name: str) -> str:
        """A configuration value, "" when unknown."""
        return self.config.get(name, "")

    @property
    def eviction_policy(self) -> str:
        """`maxmemory-policy`, from INFO if CONFIG is refused."""
        return self.setting("maxmemory-policy") or self.info.get("maxmemory_policy", "")


async def inspect(execute: Execute, shards: int) -> Server:
    """Fetch a server's state, and claim it for this layout if it is new.

    Raises ConfigError for a server that this release or configuration must not touch, and RedisError or OSError if it
    is unreachable.
    """
    server = await fetch(execute)
    return replace(server, is_new=server.info.get("role") == "master" and await _claim(execute, shards))


async def fetch(execute: Execute) -> Server:
    """Fetch a server's state without claiming it. Raises ConfigError for a Sentinel or a server that is too old,
    RedisError, OSError."""
    info = parse_info(await execute("INFO"))
    if "sentinel" in (info.get("redis_mode"), info.get("server_mode")):
        raise ConfigError(["redis_url: this is a Sentinel, which holds no data"])
    version = tuple(int(part) for part in info["redis_version"].split(".")[:2])
    if version < OLDEST:
        raise ConfigError([f"redis_url: Redis {info['redis_version']} is too old: 7.0 or newer, or Valkey 8"])
    config: dict[str, str] = {}
    with contextlib.suppress(ResponseError):
        flat = await execute("CONFIG", "GET", *SETTINGS)
        config = {name.decode(): value.decode() for name, value in zip(flat[::2], flat[1::2], strict=True)}
    return Server(info, config)


async def is_unused(execute: Execute, shards: int) -> bool:
    """Whether Redis holds nothing of hookbus. Raises ConfigError for another layout or shard count."""
    values = await execute("HMGET", keys.META, "layout", "shards")
    if None in values:
        return True
    _require_agreement(values, shards)
    return False


async def _claim(execute: Execute, shards: int) -> bool:
    """Store the layout if there is none; True if there was none. Raises ConfigError if it is another.

    Reads before it writes: a worker must be able to start when Redis has no memory left, to free memory.
    """
    values = await execute("HMGET", keys.META, "layout", "shards")
    is_new = values[0] is None
    if None in values:
        await execute("HSETNX", keys.META, "layout", keys.LAYOUT)
        await execute("HSETNX", keys.META, "shards", shards)
        values = await execute("HMGET", keys.META, "layout", "shards")
    _require_agreement(values, shards)
    return is_new


def _require_agreement(values: Sequence[bytes], shards: int) -> None:
    layout, stored_shards = (int(value) for value in values)
    problems = []
    if layout != keys.LAYOUT:
        problems.append(f"redis_url: data layout {layout} there, this release supports {keys.LAYOUT}")
    if stored_shards != shards:
        problems.append(f"shards: {shards} here, but the data in Redis is spread over {stored_shards}")
    if problems:
        raise ConfigError(problems)
