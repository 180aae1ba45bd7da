"""The webhook port, on one or several addresses, shared by all processes that were told the same (SO_REUSEPORT): opened
and closed with no refusal.

The kernel gives each process a share of the new connections from the moment it listens, and resets those that it has
not accepted when it closes the port, and those whose handshake is on its way. So it opens once Redis has been looked
at; and at its end it first turns deaf to who begins to connect, and then takes along who waits.

Where systemd listens for us (socket activation), the port outlives the process: who connects while it restarts waits,
and the next process answers. Then there is nothing to take along.
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
from ..shared.settings import Listen
from .redis_health import RedisHealth

BACKLOG: Final = 1024
"""Connections that wait to be accepted; the kernel's own limit (`net.core.somaxconn`, 4096) is above."""
FIRST_POLL_S: Final = 3.0
"""How long the first look at Redis may keep the port closed; then senders had better be told 503 than nothing."""
HANDSHAKE_S: Final = 0.3
"""How long handshakes that have begun may take: a round trip to the other end of the world. Below a second, after which
who was not heard asks again, and meets whoever listens then."""
_ATTACH_FILTER: Final = 26
"""`SO_ATTACH_FILTER`, which Python does not name."""
_NO_SYN: Final = b"".join(
    struct.pack("=HBBI", *line)
    for line in (
        (0x30, 0, 0, 13),  # load the byte of flags in the TCP header
        (0x45, 0, 1, 0x02),  # SYN set?
        (0x06, 0, 0, 0),  # drop
        (0x06, 0, 0, 0xFFFFFFFF),  # let pass
    )
)
"""A filter of the kernel's (https://docs.kernel.org/networking/filter.html) for a listening socket."""


async def open_port(
    runner: web.BaseRunner, listen: Sequence[Listen], passed: Sequence[socket.socket], redis_health: RedisHealth
) -> list[web.BaseSite]:
    """Listen: on the `passed` sockets if there are any. Raises ConfigError, FailedError as `cannot_listen` has it."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(redis_health.was_seen.wait(), FIRST_POLL_S)
    sites: list[web.BaseSite] = [web.SockSite(runner, one, backlog=BACKLOG) for one in passed]
    for site in sites:
        await site.start()
    for one in () if passed else listen:
        site = web.TCPSite(runner, one.host, one.port, reuse_port=True, backlog=BACKLOG)
        try:
            await site.start()
        except (OSError, UnicodeError) as error:
            raise cannot_listen(f"ingest.listen: can't listen on {one}", error) from None
        sites.append(site)
    return sites


async def close_port(sites: Sequence[web.BaseSite], http: Server, handshake_s: float = HANDSHAKE_S) -> None:
    """Stop listening; who had connected by then is served. Returns when each of them has asked something."""
    # There is no other way to them. A passed one is systemd's to close: it still listens there.
    own = [site for site in sites if isinstance(site, web.TCPSite)]
    listening = [port for site in own for port in getattr(site._server, "sockets", ())]
    ports = [socket.socket(fileno=os.dup(port.fileno())) for port in listening]
    if ports and all(_is_deaf(port) for port in ports):
        await asyncio.sleep(handshake_s)
    for site in sites:
        await site.stop()  # the event loop lets go; through our own descriptors the kernel still listens
    waiting = [connection for port in ports for connection in _take_and_close(port)]
    for connection in waiting:
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().connect_accepted_socket(http, connection)
    await http.settled()


def _is_deaf(port: socket.socket) -> bool:
    """Have the kernel hear nobody who begins to connect, as if it were lost on the way; False where it can't.
    Handshakes that have begun go on."""
    if sys.platform != "linux":
        return False
    program = ctypes.create_string_buffer(_NO_SYN, len(_NO_SYN))
    told = struct.pack("@HP", len(_NO_SYN) // 8, ctypes.addressof(program))
    try:
        port.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, told)
    except OSError:  # a sandbox may have no such filters
        return False
    return True


def _take_and_close(port: socket.socket) -> list[socket.socket]:
    """Without a pause in between: where the kernel hears all, whoever connects after the last accept is reset."""
    taken = _take(port)
    port.close()
    return taken


def _take(port: socket.socket) -> list[socket.socket]:
    port.setblocking(False)
    taken = []
    with contextlib.suppress(OSError):  # BlockingIOError: nobody else waits
        while True:
            taken.append(port.accept()[0])
    return taken
