"""Registers consumers that have pending deliveries but are not registered: takeovers ask about registered ones alone.

A process that was frozen, declared dead, thawed and killed leaves such deliveries. Costs one XPENDING a stream that is
read, and one HSETNX a consumer found.
"""

from ...shared.pipelined import execute_all
from ..inventory import expiries
from ..pipeline.group_context import GroupContext
from ..pipeline.read import Reader


async def adopt(here: GroupContext, reader: Reader) -> None:
    """Register them, and let every takeover ask about them. Raises RedisError, OSError."""
    commands = [("XPENDING", stream, here.group) for stream in reader.streams.all]
    replies = await execute_all(here.client, commands, raises=False)
    usable = [reply for reply in replies if not isinstance(reply, Exception)]
    found = sorted({consumer.decode() for reply in usable for consumer, _ in reply[3] or ()})
    key = here.keys.consumers(here.group)
    added = await execute_all(here.client, [("HSETNX", key, consumer, "{}") for consumer in found])
    if adopted := [consumer for consumer, is_new in zip(found, added, strict=True) if is_new]:
        await here.client.execute_command(*expiries.announce(here.keys, adopted))
