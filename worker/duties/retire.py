"""Removes consumers that hold nothing from their group: itself at a stop, the dead after their takeover."""

from collections.abc import Sequence

from ...shared import keys as names
from ...shared import log, scripts
from ...shared.events import BY_TYPE
from ...shared.keys import Keys
from ...shared.pipelined import execute_all
from ..inventory import redeliveries
from ..pipeline.group_context import GroupContext
from ..pipeline.read import Reader


def retire(keys: Keys, group: str, consumer: str, streams: Sequence[str]) -> scripts.Call:
    """The script call that removes a consumer from a group if it has no pending deliveries."""
    return scripts.Call(
        scripts.RETIRE,
        (keys.consumers(group), keys.alive(consumer), *streams),
        (group, consumer),
    )


async def retire_dead(here: GroupContext, reader: Reader, consumers: Sequence[str]) -> None:
    """Remove dead consumers that hold nothing. Raises RedisError, OSError."""
    streams = await all_streams(here, reader) if consumers else []
    calls = [retire(here.keys, here.group, consumer, streams) for consumer in consumers]
    for consumer, is_removed in zip(consumers, await scripts.run_all(here.client, calls), strict=True):
        if isinstance(is_removed, Exception):
            raise is_removed
        if is_removed and consumer != names.HANDOVER:
            log.get("worker.takeover").warning("consumer_removed", group=here.group, consumer=consumer)


async def all_streams(here: GroupContext, reader: Reader) -> list[str]:
    """Every stream that any worker of the group may read, including types that only other workers read. Raises
    RedisError, OSError."""
    keys, group = here.keys, here.group
    commands = [("SMEMBERS", keys.types), ("SMEMBERS", keys.redeliveries)]
    types, listed = await execute_all(here.client, commands, raises=False)
    if isinstance(types, Exception):
        raise types
    own = () if isinstance(listed, Exception) else redeliveries.read(listed).get(group, ())
    return list(
        {
            *map(keys.stream, (*BY_TYPE, *map(bytes.decode, types))),
            *(keys.redelivery(name, group) for name in own),
            *reader.streams.all,
        }
    )
