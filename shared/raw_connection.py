"""One connection to Redis for one caller at a time: the hot paths use redis-py's connection directly.

No pool, no retry, no observation: those took a third of a read or a write that carries a hundred events, and more of
one that carries a single event. Connects when first used, and again after every loss; errors are those of redis-py.
"""

from collections.abc import Sequence
from typing import Any

from redis.exceptions import ResponseError

from .connection import Redis
from .wire import AsyncConnection

Command = Sequence[str | bytes | int]


class RawConnection:
    """A separate connection with the options of `client`."""

    def __init__(self, client: Redis) -> None:
        connection = client.connection_pool.make_connection()
        assert isinstance(connection, AsyncConnection)  # as `connect` has its pool make them
        self._connection = connection

    @property
    def term(self) -> str:
        """The term of the server that sent the last reply, for clients with `has_term`."""
        return self._connection.term

    @property
    def made(self) -> int:
        """How often the connection was established."""
        return self._connection.made

    async def ready(self) -> str:
        """Connect if necessary. Returns the term of the next command, if the caller sends it without another wait.

        Raises RedisError, OSError.
        """
        await self._connection.ready()
        return self.term

    async def execute_command(self, *command: str | bytes | int) -> Any:
        """Send a command and return its reply, as on the wire. Raises RedisError, OSError."""
        await self._connection.send_command(*command)
        return await self._connection.read_response()

    async def execute_all(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands together and return their replies in order, with the error of a refused one in its place.

        Raises ConnectionError or TimeoutError (redis-py's) if replies were lost: each command may have run or not.
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
        """Load a script into Redis."""
        await self.execute_command("SCRIPT", "LOAD", source)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._connection.disconnect()
