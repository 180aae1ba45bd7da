"""Moves the data of layout 1 to layout 2, once, by the first worker of this release that finds them.

1. While a consumer of layout 1 lives, the worker refuses (exit code 1): both layouts at once are never written.
2. `hookbus:meta` says layout 2, so that programs of layout 1 refuse it, ingest within two seconds; its field
   `migrating` makes those of layout 2 wait.
3. A consumer of layout 1 that had read the old layout just before has `SETTLE_S` to show itself.
4. All parts are moved. Each step does nothing the second time: a worker may die at any point and another goes on, and
   several may do this at once.
5. `migrating` goes last.

Streams of events, groups, parked deliveries, dead letters and the dedupe are the same in both. In layout 1 each group
had a redelivery stream of every type, most of them empty: those go, and the others are listed. `due` and `expiries`
fill themselves, as each promoter looks for parked deliveries when it starts, and each takeover for the dead; which
deliveries were snoozed shows again from their next attempt on.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from ...shared import keys, layout, log, scripts, server
from ...shared.command import FailedError
from ...shared.connection import Redis, refusal_code
from ...shared.events import BY_TYPE
from ...shared.keys import UNTYPED, Keys
from ...shared.layout import OlderLayoutError
from ...shared.pipelined import execute_all
from ...shared.settings import ConfigError
from ..inventory import registry
from ..inventory.lag import pairs
from ..inventory.redeliveries import relist
from .old_keys import OldKeys
from .parts import parts

FROM: Final = 1
SETTLE_S: Final = 3.0
"""Between the look of a starting worker at the layout and its first sign of life it joins its groups: a second or two
with hundreds of types."""
MAX_NAMES: Final = 5
"""Consumers that the refusal names."""


async def inspect(client: Redis, shards: int) -> None:
    """As `server.inspect`, after a migration where the data need one. Raises as both."""
    try:
        await server.inspect(client.execute_command, shards)
    except OlderLayoutError as older:
        await migrate(client, older, shards)
        await server.inspect(client.execute_command, shards)


async def migrate(client: Redis, older: OlderLayoutError, shards: int, settle_s: float = SETTLE_S) -> None:
    """Move the data of layout 1.

    Raises FailedError while a consumer of layout 1 is alive, ConfigError for another number of shards, RedisError,
    OSError.
    """
    if older.shards != shards:
        raise ConfigError([f"shards: {shards} here, but the data in Redis is spread over {older.shards}"])
    places = tuple(map(Keys, range(shards)))
    groups = await registry.groups(client, places)
    await _refuse_beside_the_living(client, places, groups)
    logger = log.get("worker.migration")
    logger.warning("migrating", layout=FROM, to=keys.LAYOUT)
    await scripts.run(client, scripts.Call(scripts.ADVANCE, (keys.META,), (FROM, keys.LAYOUT)))
    await asyncio.sleep(settle_s)
    await _refuse_beside_the_living(client, places, groups)
    moved = await _move(client, places, groups)
    await client.execute_command("HDEL", keys.META, layout.MIGRATING)
    logger.warning("migrated", layout=keys.LAYOUT, moved=moved)


async def _refuse_beside_the_living(client: Redis, shards: Sequence[Keys], groups: Sequence[str]) -> None:
    """Raise FailedError if a consumer of layout 1 is alive."""
    places = [(shard, OldKeys(shard).consumers(group)) for shard in shards for group in groups]
    names = [name for _, name in places]
    replies = _usable(names, await execute_all(client, [("HKEYS", name) for name in names], raises=False))
    known = [(shard, name.decode()) for (shard, _), reply in zip(places, replies, strict=True) for name in reply or ()]
    alive = await execute_all(client, [("EXISTS", shard.alive(name)) for shard, name in known])
    living = sorted({name for (_, name), is_alive in zip(known, alive, strict=True) if is_alive})
    if living and await _is_unfinished(client):  # else they are workers of this release
        more = f" and {len(living) - MAX_NAMES} more" if len(living) > MAX_NAMES else ""
        raise FailedError(
            f"data layout {FROM}: stop all workers of the older release first, CHANGELOG.md has the order; still"
            f" running: {', '.join(living[:MAX_NAMES])}{more}"
        )


async def _is_unfinished(client: Redis) -> bool:
    try:
        await layout.read(client.execute_command)
    except OlderLayoutError:
        return True
    return False


async def _move(client: Redis, shards: Sequence[Keys], groups: Sequence[str]) -> int:
    """Move all parts; returns the number of fields moved. A key of another type stays as it is, and is logged."""
    found = parts(shards, groups)
    names = [part.key for part in found]
    stored = _usable(names, await execute_all(client, [("HGETALL", name) for name in names], raises=False))
    calls = [call for part, flat in zip(found, stored, strict=True) if flat for call in part.calls(pairs(flat))]
    moved = _usable([call.keys[1] for call in calls], await scripts.run_all(client, calls))
    await execute_all(client, [("UNLINK", OldKeys(shard).started(group)) for shard in shards for group in groups])
    await _list_redeliveries(client, shards, groups)
    return sum(result or 0 for result in moved)


async def _list_redeliveries(client: Redis, shards: Sequence[Keys], groups: Sequence[str]) -> None:
    """List the redelivery streams that hold something, and delete those that hold nothing."""
    stored = await execute_all(client, [("SMEMBERS", shard.types) for shard in shards])
    named = {
        name for patterns in (await registry.patterns(client, shards)).values() for name in patterns if "*" not in name
    }
    types = {*BY_TYPE, UNTYPED, *named, *(name.decode() for names in stored for name in names)}
    calls = [relist(shard, group, name) for shard in shards for group in groups for name in sorted(types)]
    _usable([call.keys[0] for call in calls], await scripts.run_all(client, calls))


def _usable(names: Sequence[str], replies: Sequence[Any]) -> list[Any]:
    """The replies about some keys, None for one of another type. Raises any other error: a key that the ACL forbids
    must not be left behind."""
    for name, reply in zip(names, replies, strict=True):
        if isinstance(reply, Exception):
            if refusal_code(reply) != "WRONGTYPE":
                raise reply
            log.get("worker.migration").error("migration_skipped", key=name, reason=str(reply))
    return [None if isinstance(reply, Exception) else reply for reply in replies]
