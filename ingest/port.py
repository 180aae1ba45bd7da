"""The webhook port, shared by all processes that were told the same (SO_REUSEPORT): opened and closed with no refusal.

The kernel gives each process a share of the new connections from the moment it listens, and resets those that it has
not accepted when it closes the port. So it opens once Redis has been looked at, and takes along who waits at its end.

Where systemd listens for us (socket activation), the port outlives the process: who connects while it restarts waits,
and the next process answers. Then there is nothing to take along.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from ingest.fitness import Fitness
from shared.http_server import Server
from shared.settings import ConfigError, Listen

BACKLOG: Final = 1024
"""Connections that wait to be accepted; the kernel's own limit (`net.core.somaxconn`, 4096) is above."""
FIRST_LOOK_S: Final = 3.0
"""How long the first look at Redis may keep the port closed; then senders had better be told 503 than nothing."""


async def open_port(
    runner: web.BaseRunner, listen: Listen, passed: Sequence[socket.socket], fitness: Fitness
) -> list[web.BaseSite]:
    """Listen: on the `passed` sockets if there are any. Raises ConfigError when somebody else has the port."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(fitness.was_seen.wait(), FIRST_LOOK_S)
    sites: list[web.BaseSite] = [web.SockSite(runner, one, backlog=BACKLOG) for one in passed]
    if not sites:
        sites = [web.TCPSite(runner, listen.host, listen.port, reuse_port=True, backlog=BACKLOG)]
    for site in sites:
        try:
            await site.start()
        except OSError as error:
            raise ConfigError([f"ingest.listen: can't listen on {listen}: {error.strerror}"]) from None
    return sites


async def close_port(sites: Sequence[web.BaseSite], http: Server) -> None:
    """Stop listening; who had connected by then is served. Returns when each of them has asked something."""
    # There is no other way to them. A passed one is systemd's to close: it still listens there.
    own = [site for site in sites if isinstance(site, web.TCPSite)]
    listening = [port for site in own for port in getattr(site._server, "sockets", ())]
    ports = [socket.socket(fileno=os.dup(port.fileno())) for port in listening]
    for site in sites:
        await site.stop()  # the event loop lets go; through our own descriptors the kernel still listens
    waiting = [connection for port in ports for connection in _take_and_close(port)]
    for connection in waiting:
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().connect_accepted_socket(http, connection)
    await http.settled()


def _take_and_close(port: socket.socket) -> list[socket.socket]:
    """Without a pause in between: whoever connects after the last accept is reset."""
    port.setblocking(False)
    taken = []
    with contextlib.suppress(OSError):  # BlockingIOError: nobody else waits
        while True:
            taken.append(port.accept()[0])
    port.close()
    return taken
