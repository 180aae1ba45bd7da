"""redis-py's connections, as hookbus needs them: for asyncio and, in the thread that shows liveness, blocking.

They leave a wrong server by themselves. READONLY, UNBLOCKED, MASTERDOWN, MOVED and CLUSTERDOWN come over a connection
that works; kept, it would lead to the wrong server for ever. The command fails as it would anyway, and before the next
one each connection of the process to that address is made anew, name resolution included.
LOADING, NOAUTH and WRONGPASS need nothing of this: redis-py closes their connection itself.
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

# The code of a refusal is its first word; scripts of some servers write their own text in front. UNBLOCKED is also what
# `CLIENT UNBLOCK … ERROR` brings, which nothing here says; by somebody else's it costs a connection.
_WRONG_SERVER: Final = re.compile(r"(?:^|: -)(?:READONLY|UNBLOCKED|MASTERDOWN|MOVED|CLUSTERDOWN)\b")

# Another one after a server started, or became a primary: "Replication ID explained" in
# https://redis.io/docs/latest/operate/oss_and_stack/management/replication/
_REPLICATION_ID: Final = re.compile(rb"^master_replid:(\w+)", re.MULTILINE)


def replication_id(info: bytes) -> str:
    """What `INFO replication` says that the history of the server's data is called, "" where it does not."""
    found = _REPLICATION_ID.search(info)
    return "" if found is None else found[1].decode()


class _Leaving:
    """A connection that knows in which epoch of its address it was made; None while it is being made."""

    _parser: Any

    def __init__(self, *, address: Address, **options: Any) -> None:
        super().__init__(**options)
        self._address = address
        self._epoch: int | None = None
        # Called for each error of the server, wherever in a reply it stands: in EXEC's, in a script's.
        self._parser.parse_error = self._parse_error

    def _follow(self) -> None:
        for name, value in self._address.options().items():
            setattr(self, name, value)

    @property
    def is_stale(self) -> bool:
        """Whether the server that it leads to was found to be a wrong one."""
        return self._epoch is not None and self._epoch != self._address.epoch

    def _parse_error(self, response: str) -> Exception:
        if self._epoch is not None and _WRONG_SERVER.search(response):
            self._address.leave(self._epoch)
        error: Exception = type(self._parser).parse_error(response)
        return error


class AsyncConnection(_Leaving, AbstractConnection):
    """A connection that swallows no cancellation, whose end is always a ConnectionError, and that costs less.

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
        """Names the history of the server's data: two servers that were primaries of their own have two. "" when that
        is not asked for; of its own for each connection where Redis does not say."""
        self.made = 0
        """How often it was made: an id that the server gave it holds until this changes."""

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
            await self.disconnect(nowait=True)  # no command may follow a greeting that broke off
            raise
        self._epoch = epoch

    async def _learn_term(self) -> bool:
        """Ask for the term; whether it is another than that of the connection made before."""
        await self.send_command("INFO", "replication")
        try:
            found = replication_id(await self.read_response())
        except ResponseError:  # an ACL without INFO
            found = ""
        self.term = found or secrets.token_hex(8)
        return bool(found) and self._address.observe_term(self.term)

    async def ready(self) -> None:
        """Connect unless it is, to a server that is right as far as anybody knows. Raises RedisError, OSError."""
        if self._reader is not None and (self.is_stale or self._reader.at_eof()):
            await self.disconnect(nowait=True)  # nothing was asked: nothing is lost
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
            await self.disconnect(nowait=True)  # a reply is on its way, and nobody to read it
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
"""Which one to make in place of which of redis-py's."""
