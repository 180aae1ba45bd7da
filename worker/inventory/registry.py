"""The shards and groups of a Redis, for the tools.

The shards are read from Redis, not from the settings, so that a tool works from any machine. Unlike a starting
program, a tool writes no layout: an empty Redis stays empty.
"""

from collections.abc import Sequence
from typing import Any

from ...shared import clock, layout
from ...shared.connection import Redis
from ...shared.keys import Keys
from ...shared.pipelined import MAX_COMMANDS, execute_all
from ...shared.raw_connection import Command
from ..pipeline.unusable_keys import is_of_one_key


async def execute_usable(
    client: Redis, commands: Sequence[Command], unusable: dict[str, str], at_once: int = MAX_COMMANDS
) -> list[Any]:
    """Run commands as `execute_all`; None in place of errors about one key, whose text is added to `unusable`."""
    replies = await execute_all(client, commands, raises=False, at_once=at_once)
    for i, (command, reply) in enumerate(zip(commands, replies, strict=True)):
        if isinstance(reply, Exception):
            if not is_of_one_key(reply):
                raise reply
            unusable[str(command[1])] = str(reply)
            replies[i] = None
    return replies


async def shards(client: Redis, configured: int) -> tuple[Keys, ...]:
    """Return the shards; none in a Redis that hookbus never used. Raises ConfigError for another layout, RedisError,
    OSError.

    `configured` is used only when a FLUSHALL removed the layout under running workers, which keep writing.
    """
    found = await layout.read(client.execute_command)
    if found is None:
        shards = tuple(map(Keys, range(configured)))
        traces = await execute_all(client, [("EXISTS", shard.groups, shard.types) for shard in shards])
        return shards if any(traces) else ()
    return found


async def groups(client: Redis, shards: Sequence[Keys]) -> list[str]:
    """Return the names of all groups in this Redis, sorted."""
    replies = await execute_all(client, [("HKEYS", shard.groups) for shard in shards])
    return sorted({name.decode() for names in replies for name in names})


async def patterns(client: Redis, shards: Sequence[Keys]) -> dict[str, frozenset[str]]:
    """Return group → the patterns of its last worker to start."""
    subscribed: dict[str, frozenset[str]] = {}
    for flat in await execute_all(client, [("HGETALL", shard.patterns) for shard in shards]):
        for name, text in zip(flat[::2], flat[1::2], strict=True):
            subscribed[name.decode()] = frozenset(text.decode().split())
    return subscribed


async def now_ms(client: Redis) -> int:
    """Redis' time, Unix ms."""
    return clock.redis_ms(await client.execute_command("TIME"))
