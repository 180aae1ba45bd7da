"""Many commands in few round trips, each with its own reply or error."""

from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from .connection import Redis
from .raw_connection import Command

MAX_COMMANDS: Final = 1000
"""Commands per round trip: bounds the size of the replies and keeps round trips few (a guess)."""
MAX_COUNTS: Final = 20_000
"""The same for commands that reply with a number: some hundred kilobytes."""


async def execute_all(
    client: Redis, commands: Iterable[Command], *, raises: bool = True, at_once: int = MAX_COMMANDS
) -> list[Any]:
    """Run commands, `at_once` per round trip, and return their replies in order.

    Raises the first error reply; without `raises` each is returned in place of its reply. Raises ConnectionError or
    TimeoutError (redis-py's) when replies were lost: each command may have run or not.
    """
    replies: list[Any] = []
    waiting = iter(commands)
    while part := list(islice(waiting, at_once)):
        pipeline = client.pipeline(transaction=False)
        for command in part:
            pipeline.execute_command(*command)
        replies += await pipeline.execute(raise_on_error=False)
    for reply in replies if raises else ():
        if isinstance(reply, Exception):
            raise reply  # redis-py's own pipeline would overwrite its first word, the error code
    return replies
