"""Which groups have a live worker."""

from collections.abc import Collection, Sequence

from ...shared.connection import Redis
from ...shared.keys import Keys, is_worker
from ...shared.pipelined import execute_all


async def fetch(client: Redis, shards: Sequence[Keys], groups: Collection[str]) -> set[str]:
    """Return those of the groups that have a live worker. Raises RedisError, OSError."""
    places = [(keys, group) for keys in shards for group in groups]
    registered = await execute_all(client, [("HKEYS", keys.consumers(group)) for keys, group in places])
    consumers = [
        (keys, group, name.decode())
        for (keys, group), names in zip(places, registered, strict=True)
        for name in names
        if is_worker(name.decode())
    ]
    alive = await execute_all(client, [("EXISTS", keys.alive(name)) for keys, _, name in consumers])
    return {group for (_, group, _), is_alive in zip(consumers, alive, strict=True) if is_alive}
