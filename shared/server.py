"""What both programs need of a Redis before they trust it: its version, its role, and whose data it holds.

The first program to meet an empty server writes down the layout version and the shard count; everybody after that
must agree, since an event's shard, and with it its dedupe, follows from the count.
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
"""Those that promises rest on."""


@dataclass(frozen=True, slots=True)
class Server:
    """What a server says of itself. `config` is empty where CONFIG is refused, as by managed services."""

    info: dict[str, str]
    config: dict[str, str]
    is_new: bool = False
    """Nothing of hookbus was stored there before this call."""

    def setting(self, name: str) -> str:
        """A configuration value, "" when unknown."""
        return self.config.get(name, "")

    @property
    def eviction_policy(self) -> str:
        """`maxmemory-policy`; INFO has it too, for where CONFIG is refused."""
        return self.setting("maxmemory-policy") or self.info.get("maxmemory_policy", "")


async def inspect(execute: Execute, shards: int) -> Server:
    """Look a server over, and claim it for this layout if it is new.

    Raises ConfigError for a server that this release or configuration must not touch, and RedisError or OSError when
    it can't be reached.
    """
    found = await fetch(execute)
    return replace(found, is_new=found.info.get("role") == "master" and await _claim(execute, shards))


async def fetch(execute: Execute) -> Server:
    """Look a server over; nothing is claimed. Raises ConfigError for a Sentinel and for what is too old, RedisError,
    OSError."""
    info = parse_info(await execute("INFO"))
    if "sentinel" in (info.get("redis_mode"), info.get("server_mode")):
        raise ConfigError(["redis_url: a Sentinel answers there, which holds no data"])
    version = tuple(int(part) for part in info["redis_version"].split(".")[:2])
    if version < OLDEST:
        raise ConfigError([f"redis_url: Redis {info['redis_version']} is too old: 7.0 or newer, or Valkey 8"])
    config: dict[str, str] = {}
    with contextlib.suppress(ResponseError):
        flat = await execute("CONFIG", "GET", *SETTINGS)
        config = {name.decode(): value.decode() for name, value in zip(flat[::2], flat[1::2], strict=True)}
    return Server(info, config)


async def is_unused(execute: Execute, shards: int) -> bool:
    """Whether nothing of hookbus is there. Raises ConfigError when it is of another layout or shard count."""
    found = await execute("HMGET", keys.META, "layout", "shards")
    if None in found:
        return True
    _agree(found, shards)
    return False


async def _claim(execute: Execute, shards: int) -> bool:
    """Write the layout down unless it is; True when it was not. Raises ConfigError when it is another.

    Looks before it writes: a worker must be able to start beside a Redis that has no memory left, to make room.
    """
    found_values = await execute("HMGET", keys.META, "layout", "shards")
    is_new = found_values[0] is None
    if None in found_values:
        await execute("HSETNX", keys.META, "layout", keys.LAYOUT)
        await execute("HSETNX", keys.META, "shards", shards)
        found_values = await execute("HMGET", keys.META, "layout", "shards")
    _agree(found_values, shards)
    return is_new


def _agree(found_values: Sequence[bytes], shards: int) -> None:
    layout, found = (int(value) for value in found_values)
    problems = []
    if layout != keys.LAYOUT:
        problems.append(f"redis_url: data layout {layout} there, this release knows {keys.LAYOUT}")
    if found != shards:
        problems.append(f"shards: {shards} here, but the data in Redis is spread over {found}")
    if problems:
        raise ConfigError(problems)
