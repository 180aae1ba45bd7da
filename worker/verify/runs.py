"""The data of verify runs in Redis: an event type and a group, both with the run's name.

So concurrent runs share nothing. A run removes its data; the next run removes that of a killed one. Only the digests
of its webhook-ids stay, for the dedupe window.
"""

from collections.abc import Sequence
from typing import Final

from ...shared.command import FailedError
from ...shared.connection import Redis
from ...shared.keys import HANDOVER, Keys, listed_as
from ...shared.pipelined import MAX_COMMANDS, execute_all
from ...shared.run_names import began_s, is_run
from ..duties.same_host import has_ended
from ..groups.forget import GroupDeletion
from ..inventory import registry

YOUNG_S: Final = 60
"""A run younger than this without a consumer may be starting: its worker has not registered yet."""


async def sweep(client: Redis, shards: Sequence[Keys]) -> list[str]:
    """Remove the data of runs that are over; returns their names. Raises RedisError, OSError."""
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
    names = {name.decode() for reply in await execute_all(client, commands) for name in reply}
    return sorted(name for name in names if is_run(name))


async def _is_over(client: Redis, shards: Sequence[Keys], name: str, now_s: int) -> bool:
    replies = await execute_all(client, [("HKEYS", keys.consumers(name)) for keys in shards])
    registered = {consumer.decode() for consumers in replies for consumer in consumers} - {HANDOVER}
    running = [consumer for consumer in registered if not has_ended(consumer)]
    alive = await execute_all(client, [("EXISTS", keys.alive(each)) for keys in shards for each in running])
    return not any(alive) and (bool(registered) or now_s - began_s(name) >= YOUNG_S)


async def remove(client: Redis, shards: Sequence[Keys], name: str) -> None:
    """Remove the data of a run that is over. Raises FailedError when it is not, RedisError, OSError."""
    for keys in shards:
        for consumer in await client.execute_command("HKEYS", keys.consumers(name)):  # they serve no other group
            await client.execute_command("DEL", keys.alive(consumer.decode()))
            await client.execute_command("ZREM", keys.expiries, consumer)
    await GroupDeletion(client, shards, name).run()
    for keys in shards:
        # Together: after a kill in between, no later run would find a stream that is not among the types.
        pipeline = client.pipeline(transaction=True)
        pipeline.execute_command("SREM", keys.types, name)
        pipeline.execute_command("SREM", keys.redeliveries, listed_as(name, name))
        pipeline.execute_command("UNLINK", keys.stream(name), keys.redelivery(name, name))
        await pipeline.execute()


async def losses(client: Redis, shards: Sequence[Keys], name: str) -> int:
    """Count how often the group was found missing on its streams. Raises RedisError, OSError."""
    counts = await execute_all(client, [("HGET", keys.losses, name) for keys in shards])
    return sum(int(count or 0) for count in counts)


async def stored(client: Redis, shards: Sequence[Keys], name: str) -> set[str]:
    """Return the webhook-ids still in the streams of a run. Raises RedisError, OSError."""
    webhook_ids: set[str] = set()
    for stream in [stream for keys in shards for stream in (keys.stream(name), keys.redelivery(name, name))]:
        first = "-"
        while entries := await client.execute_command("XRANGE", stream, first, "+", "COUNT", MAX_COMMANDS):
            for _, fields in entries:
                values = dict(zip(fields[::2], fields[1::2], strict=True))
                webhook_ids.add(values.get(b"id", b"").decode(errors="replace"))
            first = f"({entries[-1][0].decode()}"
    return webhook_ids
