"""Opens and closes the webhook port without refusing or resetting a connection.

All processes with the same addresses share the port (SO_REUSEPORT). The kernel gives each process a share of the new
connections from the moment it listens. When a process closes the port, the kernel resets connections that it has not
accepted and handshakes in progress. So the port opens only after the first health check of Redis. Before it closes, a
filter drops new handshakes, and all waiting connections are accepted.

With socket activation systemd owns the port, and it stays open across a restart: connections wait there, and the next
process accepts them. Then a stop has nothing to accept.
"""

import asyncio
import contextlib
import ctypes
import os
import socket
import struct
import sys
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from ..shared.command import cannot_listen
from ..shared.http_server import Server
from ..shared.listen import Listen
from .redis_health import RedisHealth

BACKLOG: Final = 1024
"""Connections that wait to be accepted; the kernel's own limit (`net.core.somaxconn`, 4096) is above."""
FIRST_POLL_S: Final = 3.0
"""How long the first health check of Redis may keep the port closed; after it a 503 is better than no answer."""
HANDSHAKE_S: Final = 0.3
"""How long handshakes in progress may take: a round trip to the other end of the world. Below one second, after which a
client whose SYN was dropped sends it again and reaches a process that listens then."""
_ATTACH_FILTER: Final = 26
"""`SO_ATTACH_FILTER`; Python's `socket` has no constant for it."""
_NO_SYN: Final = b"".join(
    struct.pack("=HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, 13),  # load the byte of flags in the TCP header
        (0x45, 0, 1, 0x02),  # SYN set?
        (0x06, 0, 0, 0),  # drop
        (0x06, 0, 0, 0xFFFFFFFF),  # let pass
    )
)
"""A kernel filter (https://docs.kernel.org/networking/filter.html) that drops new handshakes of a listening socket."""


async def open_port(
    runner: web.BaseRunner, listen: Sequence[Listen], passed: Sequence[socket.socket], redis_health: RedisHealth
) -> list[web.BaseSite]:
    """Listen on the `passed` sockets, else on `listen`. Raises ConfigError or FailedError, see `cannot_listen`."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(redis_health.was_seen.wait(), FIRST_POLL_S)
    sites: list[web.BaseSite] = [web.SockSite(runner, sock, backlog=BACKLOG) for sock in passed]
    for site in sites:
        await site.start()
    for address in () if passed else listen:
        site = web.TCPSite(runner, address.host, address.port, reuse_port=True, backlog=BACKLOG)
        try:
            await site.start()
        except (OSError, UnicodeError) as error:
            raise cannot_listen(f"{address.setting}: can't listen on {address}", error) from None
        sites.append(site)
    return sites


async def close_port(sites: Sequence[web.BaseSite], http: Server, handshake_s: float = HANDSHAKE_S) -> None:
    """Stop listening, and serve all connections made by then. Returns once each of them has sent a request."""
    # aiohttp has no public access to them. A passed socket stays open: systemd listens on it.
    own = [site for site in sites if isinstance(site, web.TCPSite)]
    listening = [port for site in own for port in getattr(site._server, "sockets", ())]
    ports = [socket.socket(fileno=os.dup(port.fileno())) for port in listening]
    if ports and all(_drop_handshakes(port) for port in ports):
        await asyncio.sleep(handshake_s)
    for site in sites:
        await site.stop()  # the event loop stops; through our own descriptors the kernel still listens
    waiting = [connection for port in ports for connection in _accept_and_close(port)]
    for connection in waiting:
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().connect_accepted_socket(http, connection)
    await http.settled()


def _drop_handshakes(port: socket.socket) -> bool:
    """Have the kernel drop new handshakes, as if packets were lost; handshakes in progress go on. False where the
    platform can't."""
    if sys.platform != "linux":
        return False
    program = ctypes.create_string_buffer(_NO_SYN, len(_NO_SYN))
    sock_fprog = struct.pack("@HP", len(_NO_SYN) // 8, ctypes.addressof(program))
    try:
        port.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, sock_fprog)
    except OSError:  # a sandbox may forbid filters
        return False
    return True


def _accept_and_close(port: socket.socket) -> list[socket.socket]:
    """No await in between: without the filter, a client that connects after the last accept is reset."""
    accepted = _accept_all(port)
    port.close()
    return accepted


def _accept_all(port: socket.socket) -> list[socket.socket]:
    port.setblocking(False)
    accepted = []
    with contextlib.suppress(OSError):  # BlockingIOError: no connection waits
        while True:
            accepted.append(port.accept()[0])
    return accepted
