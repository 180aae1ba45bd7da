"""Names the key that keeps a worker from starting, where something of another type lies: Redis' refusal does not say.

Keys of single types and groups are set aside (`aside.py`); without these a worker can't know where its groups start.
"""

from typing import Final

from ...shared.connection import FAULTS, Redis, refusal_code
from ...shared.fault import fault_of
from ...shared.keys import Keys
from .registry import execute_all

CURE: Final = "find out who wrote it (TYPE tells what it is), and rename it; the worker then goes on by itself"


async def reason_of(error: Exception, client: Redis, shards: int) -> str:
    """What an error of a start says, after the keys that it is about where it does not name them."""
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
    found = [
        command[1]
        for command, reply in zip(commands, replies, strict=True)
        if isinstance(reply, Exception) and refusal_code(reply) == "WRONGTYPE"
    ]
    return f"{', '.join(found)}: {detail}; {CURE}" if found else detail
