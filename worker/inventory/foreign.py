"""Names the key of another type that prevents a worker's start; Redis' WRONGTYPE error does not name it.

Workers skip unusable keys of single types and groups (`unusable_keys.py`). They cannot skip these: without them a
worker does not know where its groups start.
"""

from typing import Final

from ...shared.connection import FAULTS, Redis, refusal_code
from ...shared.fault import fault_of
from ...shared.keys import Keys
from ...shared.pipelined import execute_all

REMEDY: Final = "find out what wrote it (TYPE shows its type), and rename it; the worker then continues by itself"


async def reason_of(error: Exception, client: Redis, shards: int) -> str:
    """The message of an error at a start, preceded by the keys of another type when it is WRONGTYPE."""
    detail = fault_of(error).detail
    if refusal_code(error) != "WRONGTYPE":
        return detail
    commands: list[tuple[str, ...]] = []
    for keys in map(Keys, range(shards)):
        commands += [("HEXISTS", keys.groups, ""), ("HEXISTS", keys.patterns, ""), ("SMEMBERS", keys.types)]
    try:
        replies = await execute_all(client, commands, raises=False)
    except FAULTS:
        return detail
    foreign = [
        command[1]
        for command, reply in zip(commands, replies, strict=True)
        if isinstance(reply, Exception) and refusal_code(reply) == "WRONGTYPE"
    ]
    return f"{', '.join(foreign)}: {detail}; {REMEDY}" if foreign else detail
