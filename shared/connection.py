"""Clients for Redis and Valkey, made for programs that must outlive the server.

No command is ever repeated by the client: with redis-py's default of ten retries a lost reply turned one XADD into
four entries (redis-py's `Retry`). Callers see the error, and know what may be repeated.
`redis://`, `rediss://` and `unix://` URLs, as in https://redis.readthedocs.io/en/stable/connections.html.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import hiredis
import redis as sync_redis
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

CONNECT_TIMEOUT_S: Final = 3.0
REPLY_TIMEOUT_S: Final = 5.0
"""How long a reply may take before the connection counts as dead. Scripts here take milliseconds; fsync may not."""

SCHEMES: Final = ("redis://", "rediss://", "unix://")

FAULTS: Final = (RedisError, OSError)
"""What a call to Redis may raise: refusals (OOM, MISCONF, READONLY …) are RedisErrors, not connection errors."""

# Seconds until a silent peer is probed, between probes, and how many may fail: a half-open link dies in 25 s.
_KEEPALIVE: Final = {
    getattr(socket, name): value
    for name, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
    if hasattr(socket, name)
}


Ask = Callable[..., Awaitable[Any]]
"""Sends one command, returns its reply: a client's `execute_command`, or the same on one connection."""


def connect(
    url: str,
    name: str,
    *,
    reply_timeout_s: float = REPLY_TIMEOUT_S,
    connections: int = 20,
    greet: Callable[[Ask], Awaitable[None]] | None = None,
) -> Redis:
    """A client; connects when first used, and again after every loss.

    `greet` is called on each new connection before any command; what it raises fails that command.

    `name` shows in CLIENT LIST. Replies are as on the wire: bytes, ints and lists, of RESP2 whatever the server
    speaks, and not reshaped by redis-py, which costs a third of a reader's time.
    """
    client = Redis.from_url(
        url,
        client_name=name,
        retry=AsyncRetry(NoBackoff(), 0),
        max_connections=connections,
        redis_connect_func=None if greet is None else _greeting(greet),
        **_options(url, reply_timeout_s),
    )
    client.response_callbacks.clear()
    pool = client.connection_pool
    pool.connection_class = _LEAN[pool.connection_class]
    return client


def _packed(command: tuple[Any, ...]) -> bytes:
    name = command[0]
    if isinstance(name, str) and " " in name:  # redis-py writes SCRIPT LOAD and the like as one word
        command = (*name.split(), *command[1:])
    packed: bytes = hiredis.pack_command(command)
    return packed


class _Lean(AbstractConnection):
    """A connection that swallows no cancellation, whose end is always a ConnectionError, and that costs less.

    redis-py sends inside `asyncio.wait_for`, which makes a task each time, and before Python 3.12 forgets a
    cancellation that meets the end of the send (https://github.com/python/cpython/issues/86296): a duty cancelled at
    that moment would go on for ever. uvloop raises RuntimeError when a connection that was reset is written to
    (https://github.com/MagicStack/uvloop/issues/506); let through, it would end the program.
    Commands are packed in C, which redis-py does for its blocking client only.
    """

    def pack_command(self, *args: Any) -> list[bytes]:
        return [_packed(args)]

    def pack_commands(self, commands: Iterable[Iterable[Any]]) -> list[bytes]:
        return [b"".join(_packed(tuple(command)) for command in commands)]

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        if self._reader is not None and self._reader.at_eof():
            await self.disconnect(nowait=True)  # the server hung up while nothing was asked: nothing is lost
        if not self.is_connected:
            await self.connect_check_health(check_health=False)
        assert self._writer is not None
        assert isinstance(command, list)  # as both packers make it
        try:
            self._writer.writelines(command)
            async with asyncio.timeout(self.socket_timeout):
                await self._writer.drain()
        except TimeoutError as error:
            await self.disconnect(nowait=True)
            raise RedisTimeoutError("the command could not be sent in time") from error
        except (OSError, RuntimeError) as error:
            await self.disconnect(nowait=True)
            raise RedisConnectionError(f"the connection was lost: {error}") from error
        except BaseException:
            await self.disconnect(nowait=True)  # a reply is on its way, and nobody to read it
            raise


class _Tcp(_Lean, Connection):
    pass


class _Tls(_Lean, SSLConnection):
    pass


class _Unix(_Lean, UnixDomainSocketConnection):
    pass


_LEAN: Final = {Connection: _Tcp, SSLConnection: _Tls, UnixDomainSocketConnection: _Unix}


def _greeting(greet: Callable[[Ask], Awaitable[None]]) -> Callable[[AbstractConnection], Awaitable[None]]:
    async def on_connect(connection: AbstractConnection) -> None:
        async def ask(*command: str | bytes | int) -> Any:
            await connection.send_command(*command)
            return await connection.read_response()

        await connection.on_connect()
        await greet(ask)

    return on_connect


def connect_blocking(url: str, name: str, *, reply_timeout_s: float) -> "sync_redis.Redis":
    """The same for a thread of its own."""
    return sync_redis.Redis.from_url(
        url,
        client_name=name,
        retry=Retry(NoBackoff(), 0),
        **_options(url, reply_timeout_s),
    )


def _options(url: str, reply_timeout_s: float) -> dict[str, Any]:
    options: dict[str, Any] = {
        "protocol": 2,
        "socket_timeout": reply_timeout_s,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        # These notices are RESP3; switching them off spares each idle connection one failure (redis-py #4252).
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        # CLIENT SETINFO is younger than Redis 7.0, where no ACL can allow it, and each try would fill ACL LOG.
        "driver_info": None,
    }
    if not url.startswith("unix://"):
        options |= {"socket_keepalive": True, "socket_keepalive_options": _KEEPALIVE}
    return options


def redacted(url: str) -> str:
    """The URL without its password, for logs. Where that should have been percent-encoded, rather too much goes."""
    url = re.sub(r"(?<=://)([^@/:]*:)[^?]*(?=@)", r"\1***", url)
    return re.sub(r"(?<=[?&]password=)[^&]*", "***", url)


class RedisUrl(str):
    """A URL that keeps its password out of logs, tracebacks and reprs."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(redacted(self))


def url_problem(url: str) -> str:
    """What is wrong with a URL, "" for nothing. Never quotes the password."""
    if not url.startswith(SCHEMES):
        return f"must begin with {', '.join(SCHEMES)}"
    if not url.startswith("unix://") and "@" in url.partition("://")[2].partition("/")[2].partition("?")[0]:
        return "a password with '/' in it must be percent-encoded ('%2F')"
    try:
        options = parse_url(url)
    except ValueError:
        return "host, port, database number or an option in it can't be read"
    known = ("host", "port", "db", "path", "username", "password", "connection_class")
    strange = [name for name in options if name not in known and not name.startswith("ssl_")]
    return f"unknown option {strange[0]!r}" if strange else ""


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
