"""Inspects a Redis before the programs trust it: its version, its role, and the layout of its data."""

import contextlib
from typing import Final

import msgspec
from msgspec.structs import replace
from redis.exceptions import ResponseError

from . import layout
from .connection import Execute, parse_info
from .settings import ConfigError

OLDEST: Final = (7, 0)
"""Redis 7.0 brought EXPIRE NX and CONFIG GET of several names. Valkey reports itself as 7.2."""

SETTINGS: Final = ("appendonly", "appendfsync", "no-appendfsync-on-rewrite", "maxmemory-policy")
"""The settings that the guarantees depend on."""


class Server(msgspec.Struct, frozen=True):
    """The state and configuration of a server. `config` is empty if CONFIG is refused, as by managed services."""

    info: dict[str, str]
    config: dict[str, str]
    new_shards: tuple[int, ...] = ()
    """The shards of which the server held nothing before this call."""

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
    is_primary = server.info.get("role") == "master"
    return replace(server, new_shards=await layout.claim(execute, shards)) if is_primary else server


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
