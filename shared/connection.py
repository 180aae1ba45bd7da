"""Clients for Redis and Valkey, made for programs that must outlive the server.

No command is ever repeated by the client: with redis-py's default of ten retries a lost reply turned one XADD into
four entries (redis-py's `Retry`). Callers get the error, and decide whether to repeat the command.
Connections to a wrong server are replaced: see `wire`.
"""

import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import redis as sync_redis
from redis import asyncio as async_redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from .address import Address
from .wire import OURS

CONNECT_TIMEOUT_S: Final = 3.0
REPLY_TIMEOUT_S: Final = 5.0
"""How long a reply may take before the connection counts as dead. Scripts here take milliseconds; fsync may not."""

FAULTS: Final = (RedisError, OSError)
"""Errors that a call to Redis may raise: refusals (OOM, MISCONF, READONLY …) are RedisErrors, not connection errors."""

# Seconds until a silent peer is probed, between probes, and how many may fail: a half-open link dies in 25 s.
_KEEPALIVE: Final = {
    getattr(socket, name): value
    for name, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
    if hasattr(socket, name)
}


class Redis(async_redis.Redis):
    """redis-py's client, with a type for `execute_command`: a reply is whatever the command returns.

    redis-py does not annotate it, and pyright infers from its body that every reply may be None.
    """

    if TYPE_CHECKING:

        async def execute_command(self, *command: str | bytes | float, **options: Any) -> Any: ...


Execute = Callable[..., Awaitable[Any]]
"""Sends one command, returns its reply: a client's `execute_command`, or the same on one connection."""


def connect(
    address: Address | str,
    name: str,
    *,
    reply_timeout_s: float = REPLY_TIMEOUT_S,
    connections: int = 20,
    waits: bool = False,
    has_term: bool = False,
    on_connect: Callable[[Execute], Awaitable[None]] | None = None,
) -> Redis:
    """A client, which connects when first used, and again after every loss.

    `connections`: at most so many; a command that finds none free fails, or waits for one if the client `waits`.
    `has_term`: each connection reads the `term` of its server; this costs one more round trip per connection.
    `on_connect` is called on each new connection before any command; an error that it raises fails that command.

    `name` shows in CLIENT LIST. Replies are as on the wire: bytes, ints and lists, of RESP2 whatever the server
    speaks, and not reshaped by redis-py, which costs a third of a reader's time.
    """
    address = _address(address)
    options: dict[str, Any] = {"timeout": reply_timeout_s} if waits else {}
    pool = (async_redis.BlockingConnectionPool if waits else async_redis.ConnectionPool).from_url(
        address.url,
        client_name=name,
        retry=AsyncRetry(NoBackoff(), 0),
        max_connections=connections,
        has_term=has_term,
        redis_connect_func=None if on_connect is None else _greeting(on_connect),
        **_options(address, reply_timeout_s),
        **options,
    )
    pool.connection_class = OURS[pool.connection_class]
    client = Redis.from_pool(pool)
    assert isinstance(client, Redis)  # `from_pool` makes one of the class that it is called on
    client.response_callbacks.clear()
    return client


def _greeting(on_connect: Callable[[Execute], Awaitable[None]]) -> Callable[[AbstractConnection], Awaitable[None]]:
    async def connected(connection: AbstractConnection) -> None:
        async def execute(*command: str | bytes | int) -> Any:
            await connection.send_command(*command)
            return await connection.read_response()

        await connection.on_connect()
        await on_connect(execute)

    return connected


def connect_blocking(address: Address | str, name: str, *, reply_timeout_s: float) -> "sync_redis.Redis":
    """A blocking client, for use in a thread of its own."""
    address = _address(address)
    client = sync_redis.Redis.from_url(
        address.url,
        client_name=name,
        retry=Retry(NoBackoff(), 0),
        **_options(address, reply_timeout_s),
    )
    pool = client.connection_pool
    pool.connection_class = OURS[pool.connection_class]
    return client


def leave_server(client: Redis) -> None:
    """Mark the server of a client as wrong, so that all connections of the process to it are replaced.

    For callers that inspect a server; refusals such as READONLY have this effect by themselves.
    """
    address = address_of(client)
    address.leave(address.epoch)


def address_of(client: Redis) -> Address:
    """The address of a client."""
    address: Address = client.connection_pool.connection_kwargs["address"]
    return address


def _address(address: Address | str) -> Address:
    return address if isinstance(address, Address) else Address(address)


def _options(address: Address, reply_timeout_s: float) -> dict[str, Any]:
    options: dict[str, Any] = {
        "address": address,
        "protocol": 2,
        "socket_timeout": reply_timeout_s,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        # These notices are RESP3; switching them off spares each idle connection one failure (redis-py #4252).
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        # CLIENT SETINFO is younger than Redis 7.0, where no ACL can allow it, and each try would fill ACL LOG.
        "driver_info": None,
    }
    if not address.url.startswith("unix://"):
        options |= {"socket_keepalive": True, "socket_keepalive_options": _KEEPALIVE}
    return options


def refusal_code(error: Exception) -> str:
    """The first word of a refusal by Redis (OOM, MISCONF, NOGROUP, BUSYGROUP …), "" for other errors.

    redis-py moves the word out of the text for the refusals that it has classes for, and leaves it in for the rest.
    """
    if not isinstance(error, ResponseError):
        return ""
    return error.status_code or str(error).partition(" ")[0]


def parse_info(reply: bytes) -> dict[str, str]:
    """The lines of INFO as a mapping."""
    lines = (line.partition(":") for line in reply.decode().splitlines())
    return {key: value for key, colon, value in lines if colon}
