"""redis-py's connections, adapted to hookbus: for asyncio and, in the liveness thread, blocking.

They leave a wrong server by themselves. READONLY, UNBLOCKED, MASTERDOWN, MOVED and CLUSTERDOWN arrive over a working
connection, which would otherwise lead to the wrong server for ever. The command fails anyway, and before the
next one each connection of the process to that address is replaced, name resolution included.
LOADING, NOAUTH and WRONGPASS do not need this: redis-py closes their connection itself.
"""

import asyncio
import re
import secrets
import socket
import ssl
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import hiredis
from redis import connection as blocking
from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from .address import Address

# The code of a refusal is its first word; errors in scripts of some servers have text before it. `CLIENT UNBLOCK …
# ERROR`, which hookbus never sends, causes UNBLOCKED too; sent by another client it costs one connection. Redis 7.0 has
# the same word for a stream that is deleted while a read blocks on it; later ones say NOGROUP.
_WRONG_SERVER: Final = re.compile(
    r"(?:^|: -)(?:READONLY|UNBLOCKED(?! the stream key no longer exists)|MASTERDOWN|MOVED|CLUSTERDOWN)\b"
)

# It changes when a server starts or becomes a primary: "Replication ID explained" in
# https://redis.io/docs/latest/operate/oss_and_stack/management/replication/
_REPLICATION_ID: Final = re.compile(rb"^master_replid:(\w+)", re.MULTILINE)


def replication_id(info: bytes) -> str:
    """The replication id in a reply of `INFO replication`, the name of its data history; "" for none."""
    match = _REPLICATION_ID.search(info)
    return "" if match is None else match[1].decode()


class _Leaving:
    """A connection that records the epoch of its address in which it was made; None while it is being made."""

    _parser: Any

    def __init__(self, *, address: Address, **options: Any) -> None:
        super().__init__(**options)
        self._address = address
        self._epoch: int | None = None
        # Called for each error of the server, wherever it is in a reply: in that of EXEC, of a script.
        self._parser.parse_error = self._parse_error

    def _follow(self) -> None:
        for name, value in self._address.options().items():
            setattr(self, name, value)

    @property
    def is_stale(self) -> bool:
        """Whether the server of this connection has been marked as wrong."""
        return self._epoch is not None and self._epoch != self._address.epoch

    def _parse_error(self, response: str) -> Exception:
        if self._epoch is not None and _WRONG_SERVER.search(response):
            self._address.leave(self._epoch)
        error: Exception = type(self._parser).parse_error(response)
        return error


class AsyncConnection(_Leaving, AbstractConnection):
    """A connection that swallows no cancellation, raises only ConnectionError when it is lost, and costs less.

    redis-py sends inside `asyncio.wait_for`, which makes a task each time, and before Python 3.12 forgets a
    cancellation that meets the end of the send (https://github.com/python/cpython/issues/86296): a duty cancelled at
    that moment would go on for ever. uvloop raises RuntimeError when a connection that was reset is written to
    (https://github.com/MagicStack/uvloop/issues/506); let through, it would end the program.
    Commands are packed in C, which redis-py does for its blocking client only.
    """

    def __init__(self, *, has_term: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self._has_term = has_term
        self.term = ""
        """Names the history of the server's data: two servers that were both primaries have different ones. "" without
        `has_term`; unique to each connection if Redis does not report it."""
        self.made = 0
        """How often it was established: a client id from the server is valid until this changes."""

    if TYPE_CHECKING:  # redis-py does not annotate it

        async def read_response(self, *args: Any, **options: Any) -> Any: ...

    def pack_command(self, *args: Any) -> list[bytes]:
        return [_packed(args)]

    def pack_commands(self, commands: Iterable[Iterable[Any]]) -> list[bytes]:
        return [b"".join(_packed(tuple(command)) for command in commands)]

    async def connect_check_health(self, check_health: bool = True, retry_socket_connect: bool = True) -> None:
        if self.is_connected:
            return
        self._epoch, epoch = None, self._address.epoch
        self.made += 1
        try:
            if self._address.is_in_files:
                await asyncio.to_thread(self._follow)  # a file may lie on a network
            await super().connect_check_health(check_health, retry_socket_connect)
            if self._has_term and await self._learn_term():
                epoch = self._address.epoch
        except BaseException:
            await self.disconnect(nowait=True)  # no command may follow an incomplete setup
            raise
        self._epoch = epoch

    async def _learn_term(self) -> bool:
        """Fetch the term. True if it differs from that of the connection made before."""
        await self.send_command("INFO", "replication")
        try:
            found = replication_id(await self.read_response())
        except ResponseError:  # an ACL without INFO
            found = ""
        self.term = found or secrets.token_hex(8)
        return bool(found) and self._address.observe_term(self.term)

    async def ready(self) -> None:
        """Connect if necessary, to a server that is not known to be wrong. Raises RedisError, OSError."""
        if self._reader is not None and (self.is_stale or self._reader.at_eof()):
            await self.disconnect(nowait=True)  # no command is pending: nothing is lost
        if not self.is_connected:
            await self.connect_check_health(check_health=False)

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        await self.ready()
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
            await self.disconnect(nowait=True)  # its reply would be read as that of the next command
            raise


def _packed(command: tuple[Any, ...]) -> bytes:
    name = command[0]
    if isinstance(name, str) and " " in name:  # redis-py writes SCRIPT LOAD and the like as one word
        command = (*name.split(), *command[1:])
    packed: bytes = hiredis.pack_command(command)
    return packed


class _Blocking(_Leaving, blocking.AbstractConnection):
    def connect_check_health(self, check_health: bool = True, retry_socket_connect: bool = True) -> None:
        if self.is_connected:
            return
        self._epoch, epoch = None, self._address.epoch
        if self._address.is_in_files:
            self._follow()
        super().connect_check_health(check_health, retry_socket_connect)
        self._epoch = epoch

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        if self.is_stale:
            self.disconnect()  # type: ignore[no-untyped-call]
        super().send_packed_command(command, check_health)  # type: ignore[no-untyped-call]


class _Tcp(AsyncConnection, Connection):
    pass


class _Tls(AsyncConnection, SSLConnection):
    async def _connect(self) -> None:
        self._tls = await asyncio.to_thread(self._address.tls.context)
        await super()._connect()  # type: ignore[no-untyped-call]
        assert self._writer is not None
        self._address.tls.saw(self._writer.get_extra_info("peercert"))

    def _connection_arguments(self) -> dict[str, Any]:
        name = self._address.tls.server_name or self.host
        return {"host": self.host, "port": self.port, "ssl": self._tls, "server_hostname": name}


class _Unix(AsyncConnection, UnixDomainSocketConnection):
    pass


class _BlockingTcp(_Blocking, blocking.Connection):
    pass


class _BlockingTls(_Blocking, blocking.SSLConnection):
    def _wrap_socket_with_ssl(self, sock: socket.socket) -> ssl.SSLSocket:
        tls = self._address.tls
        return tls.context().wrap_socket(sock, server_hostname=tls.server_name or self.host)


class _BlockingUnix(_Blocking, blocking.UnixDomainSocketConnection):
    pass


OURS: Final[dict[type, type]] = {
    Connection: _Tcp,
    SSLConnection: _Tls,
    UnixDomainSocketConnection: _Unix,
    blocking.Connection: _BlockingTcp,
    blocking.SSLConnection: _BlockingTls,
    blocking.UnixDomainSocketConnection: _BlockingUnix,
}
"""redis-py's connection class → ours."""
