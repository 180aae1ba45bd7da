"""What is in this Redis: its shards and its groups, for the tools.

The shard count is read from there, not from the settings, so that a tool works wherever it is called from. Unlike a
program that starts, a tool claims nothing: looking at an empty Redis leaves it empty.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final

from ...shared import keys
from ...shared.connection import Redis
from ...shared.keys import Keys
from ...shared.settings import ConfigError
from ..pipeline.unusable_keys import is_of_one_key

Command = tuple[str | bytes | int, ...]

PIPELINE: Final = 1000
"""Commands sent at once; bounds what a reply may hold while keeping round trips few (a guess)."""


async def execute_all(client: Redis, commands: Iterable[Command], *, raises: bool = True) -> list[Any]:
    """Replies in order, a thousand commands a round trip. Unless `raises`, refusals come in place of their replies."""
    replies: list[Any] = []
    waiting = iter(commands)
    while part := list(islice(waiting, PIPELINE)):
        pipeline = client.pipeline(transaction=False)
        for command in part:
            pipeline.execute_command(*command)
        replies += await pipeline.execute(raise_on_error=False)
    for reply in replies if raises else ():
        if isinstance(reply, Exception):
            raise reply  # redis-py's own pipeline would write over its first word, which tells what it is about
    return replies


async def execute_usable(client: Redis, commands: Sequence[Command], unusable: dict[str, str]) -> list[Any]:
    """Replies as of `execute_all`; None for what Redis refuses because of one key, and `unusable` gets the reason."""
    replies = await execute_all(client, commands, raises=False)
    for i, (command, reply) in enumerate(zip(commands, replies, strict=True)):
        if isinstance(reply, Exception):
            if not is_of_one_key(reply):
                raise reply
            unusable[str(command[1])] = str(reply)
            replies[i] = None
    return replies


async def shards(client: Redis, configured: int) -> tuple[Keys, ...]:
    """The shards; none in a Redis that hookbus never used. Raises ConfigError for another layout, RedisError, OSError.

    `configured` counts only when the layout vanished with a FLUSHALL under running workers, which then write on.
    """
    layout, count = await client.execute_command("HMGET", keys.META, "layout", "shards")
    if layout is not None and int(layout) != keys.LAYOUT:
        raise ConfigError([f"redis_url: data layout {int(layout)} there, this release knows {keys.LAYOUT}"])
    found = tuple(Keys(shard) for shard in range(configured if count is None else int(count)))
    if count is None:
        traces = await execute_all(client, [("EXISTS", shard.groups, shard.types) for shard in found])
        return found if any(traces) else ()
    return found


async def groups(client: Redis, shards: Sequence[Keys]) -> list[str]:
    """The names of all groups that were ever born here, sorted."""
    replies = await execute_all(client, [("HKEYS", shard.groups) for shard in shards])
    return sorted({name.decode() for names in replies for name in names})


async def patterns(client: Redis, shards: Sequence[Keys]) -> dict[str, frozenset[str]]:
    """Group → what it subscribes to, as its last worker to start said."""
    found: dict[str, frozenset[str]] = {}
    for flat in await execute_all(client, [("HGETALL", shard.patterns) for shard in shards]):
        for name, told in zip(flat[::2], flat[1::2], strict=True):
            found[name.decode()] = frozenset(told.decode().split())
    return found


async def now_ms(client: Redis) -> int:
    """What time Redis has, Unix ms."""
    seconds, microseconds = await client.execute_command("TIME")
    return int(seconds) * 1000 + int(microseconds) // 1000
