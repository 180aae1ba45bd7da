"""The layout of the data in Redis: its version, and the shards that it is spread over.

The first program that connects to an empty Redis writes both; all later ones must agree, since an event's shard, and
with it its dedupe, depends on the shards. Each shard has a `meta` of its own, as one node of a cluster may come back
empty alone. The numbers of the shards are written down, in a generation, so that they need not be 0 to n - 1 for ever.
"""

from typing import Final

import msgspec

from . import keys, scripts
from .clock import now_ms
from .connection import Execute
from .keys import HOME, Keys
from .settings import ConfigError

OPEN: Final = "open"
"""State of a shard that stores events."""


MIGRATING: Final = "migrating"
"""Field of `META` while the data are being moved to this layout: the older one."""


class OlderLayoutError(ConfigError):
    """The data have an older layout, or are being moved from it: a worker migrates them."""

    def __init__(self, layout: int, shards: int) -> None:
        super().__init__(
            [
                f"redis_url: data layout {layout} there, this release supports {keys.LAYOUT}: a worker of this release"
                " migrates them once all workers of the older one have stopped"
            ]
        )
        self.layout = layout
        self.shards = shards


class Generation(msgspec.Struct, frozen=True):
    """The shards that store new events, in the order in which webhook-ids are spread over them."""

    shards: tuple[int, ...]
    since_ms: int


_decode: Final = msgspec.json.Decoder(Generation).decode


async def claim(execute: Execute, shards: int) -> tuple[int, ...]:
    """Write the layout where it is missing; returns the shards that had none.

    Raises ConfigError if Redis has another layout or other shards, RedisError, OSError.
    """
    if await is_unused(execute, shards):
        await _write(execute, keys.META, "layout", keys.LAYOUT, "shards", shards)
        await is_unused(execute, shards)  # another program may have been faster, with other settings
    missing = [shard for shard in map(Keys, range(shards)) if not await _has_meta(execute, shard)]
    if missing:
        first = Generation(tuple(range(shards)), now_ms())
        await _write(execute, HOME.generations, "0", msgspec.json.encode(first))
    for shard in missing:
        meta = ("layout", keys.LAYOUT, "shard", shard.shard, "generation", 0, "state", OPEN)
        await _write(execute, shard.meta, *meta)
    return tuple(shard.shard for shard in missing)


async def is_unused(execute: Execute, shards: int) -> bool:
    """Whether Redis holds nothing of hookbus. Raises ConfigError for another layout or other shards."""
    found = await read(execute)
    if found not in (None, tuple(map(Keys, range(shards)))):
        raise ConfigError([f"shards: {shards} here, but the data in Redis is spread over {len(found or ())}"])
    return found is None


async def read(execute: Execute) -> tuple[Keys, ...] | None:
    """The shards; None if Redis has no layout. Raises ConfigError for another layout, RedisError, OSError."""
    layout, count, migrating = await execute("HMGET", keys.META, "layout", "shards", MIGRATING)
    if count is not None and (older := int(migrating or layout or keys.LAYOUT)) < keys.LAYOUT:
        raise OlderLayoutError(older, int(count))
    if layout is not None and int(layout) != keys.LAYOUT:
        raise ConfigError([f"redis_url: data layout {int(layout)} there, this release supports {keys.LAYOUT}"])
    if layout is None or count is None:
        return None
    generations = await execute("HGETALL", HOME.generations)
    if len(generations) > 2:
        raise ConfigError(["redis_url: the data there have several generations of shards, this release supports one"])
    return tuple(map(Keys, _decode(generations[1]).shards if generations else range(int(count))))


async def _has_meta(execute: Execute, shard: Keys) -> bool:
    return None not in await execute("HMGET", shard.meta, "layout", "shard", "generation", "state")


async def _write(execute: Execute, key: str, *fields: scripts.Argument) -> None:
    await scripts.run_by(execute, scripts.Call(scripts.FILL, (key,), fields))
