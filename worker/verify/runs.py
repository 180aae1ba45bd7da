"""The names of verify runs, and what they have in Redis: an event type and a group, both of the run's name.

So runs at the same time share nothing. A run removes what it has; of one that was killed, the next one does. What
stays of each event is its digest in the dedupe window.
"""

import re
import secrets
from collections.abc import Sequence
from typing import Final

from ...shared.command import FailedError
from ...shared.connection import Redis
from ...shared.keys import HANDOVER, RESERVED, Keys
from ..duties.same_host import has_ended
from ..groups.forget import GroupDeletion
from ..inventory import registry
from ..inventory.registry import PIPELINE, execute_all

PREFIX: Final = f"{RESERVED}verify."
_SHAPE: Final = re.compile(rf"{re.escape(PREFIX)}(\d{{10,13}})-[0-9a-f]{{12}}")
"""Unix seconds of the birth, and chance."""

YOUNG_S: Final = 60
"""Without a consumer, and younger than this, a run may be about to begin: its worker has yet to give a sign of life."""


def new_name(now_ms: int) -> str:
    """A name that no other run has."""
    return f"{PREFIX}{now_ms // 1000:010}-{secrets.token_hex(6)}"


async def sweep(client: Redis, shards: Sequence[Keys]) -> list[str]:
    """Remove what runs left that are over; their names. Raises RedisError, OSError."""
    now_s = await registry.now_ms(client) // 1000
    swept = []
    for name in await _names(client, shards):
        if await _is_over(client, shards, name, now_s):
            try:
                await remove(client, shards, name)
            except FailedError:
                continue  # it is not over after all
            swept.append(name)
    return swept


async def _names(client: Redis, shards: Sequence[Keys]) -> list[str]:
    commands = [command for keys in shards for command in (("SMEMBERS", keys.types), ("HKEYS", keys.groups))]
    found = {name.decode() for reply in await execute_all(client, commands) for name in reply}
    return sorted(name for name in found if _SHAPE.fullmatch(name))


async def _is_over(client: Redis, shards: Sequence[Keys], name: str, now_s: int) -> bool:
    replies = await execute_all(client, [("HKEYS", keys.consumers(name)) for keys in shards])
    registered = {who.decode() for known in replies for who in known} - {HANDOVER}
    lasting = [who for who in registered if not has_ended(who)]
    signs = await execute_all(client, [("EXISTS", keys.alive(who)) for keys in shards for who in lasting])
    born = _SHAPE.fullmatch(name)
    return not any(signs) and (bool(registered) or born is None or now_s - int(born[1]) >= YOUNG_S)


async def remove(client: Redis, shards: Sequence[Keys], name: str) -> None:
    """Remove what a run has that is over. Raises FailedError when it is not, RedisError, OSError."""
    for keys in shards:
        for who in await client.execute_command("HKEYS", keys.consumers(name)):
            await client.execute_command("DEL", keys.alive(who.decode()))
    await GroupDeletion(client, shards, name).run()
    for keys in shards:
        # Together: a stream that is not among the types would be found by nobody, should we die between.
        pipeline = client.pipeline(transaction=True)
        pipeline.execute_command("SREM", keys.types, name)
        pipeline.execute_command("UNLINK", keys.stream(name), keys.redelivery(name, name))
        await pipeline.execute()


async def is_seen(client: Redis, shards: Sequence[Keys], name: str) -> bool:
    """Whether ingest stored any event of a run in this Redis. Raises RedisError, OSError."""
    return any(await execute_all(client, [("SISMEMBER", keys.types, name) for keys in shards]))


async def losses(client: Redis, shards: Sequence[Keys], name: str) -> int:
    """How often the group's place on its streams had vanished. Raises RedisError, OSError."""
    counts = await execute_all(client, [("HGET", keys.losses, name) for keys in shards])
    return sum(int(count or 0) for count in counts)


async def stored(client: Redis, shards: Sequence[Keys], name: str) -> set[str]:
    """The webhook-ids that are still in the streams of a run. Raises RedisError, OSError."""
    found: set[str] = set()
    for stream in [stream for keys in shards for stream in (keys.stream(name), keys.redelivery(name, name))]:
        first = "-"
        while entries := await client.execute_command("XRANGE", stream, first, "+", "COUNT", PIPELINE):
            for _, fields in entries:
                values = dict(zip(fields[::2], fields[1::2], strict=True))
                found.add(values.get(b"id", b"").decode(errors="replace"))
            first = f"({entries[-1][0].decode()}"
    return found
