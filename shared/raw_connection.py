"""One connection to Redis for one caller at a time: the hot paths' way, straight to redis-py's connection.

No pool, no retry, no observation: those took a third of a read or a write that carries a hundred events, and more of
one that carries a single one. Connects when first used, and again after every loss; errors are those of redis-py.
"""

from collections.abc import Sequence
from typing import Any

from redis.exceptions import ResponseError

from .connection import Redis
from .wire import AsyncConnection

Command = Sequence[str | bytes | int]


class RawConnection:
    """A connection of its own, made as `client` makes its."""

    def __init__(self, client: Redis) -> None:
        connection = client.connection_pool.make_connection()
        assert isinstance(connection, AsyncConnection)  # as `connect` has its pool make them
        self._connection = connection

    @property
    def term(self) -> str:
        """Which server the last reply came from: the connection's term, for clients that have terms."""
        return self._connection.term

    @property
    def made(self) -> int:
        """How often the connection was made."""
        return self._connection.made

    async def ready(self) -> str:
        """Connect unless it is; the term of what is sent next, without waiting for anything else before.

        Raises RedisError, OSError.
        """
        await self._connection.ready()
        return self.term

    async def execute_command(self, *command: str | bytes | int) -> Any:
        """Send a command; its reply as on the wire. Raises RedisError, OSError."""
        await self._connection.send_command(*command)
        return await self._connection.read_response()

    async def execute_all(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands at once; their replies in order, a refusal's error in its place.

        Raises ConnectionError or TimeoutError (redis-py's) when replies were lost: each may have run or not.
        """
        replies: list[Any] = []
        await self._connection.send_packed_command(self._connection.pack_commands(commands))
        for _ in commands:
            try:
                replies.append(await self._connection.read_response())
            except ResponseError as error:
                replies.append(error)
        return replies

    async def script_load(self, source: str) -> None:
        """Have Redis know a script."""
        await self.execute_command("SCRIPT", "LOAD", source)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._connection.disconnect()
