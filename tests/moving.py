"""Two servers behind one address that moves, like the name or virtual address of a primary in a failover."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from hookbus.shared.valkey import Valkey
from tests.chaos.harness.proxy import FaultProxy
from tests.programs import free_port
from tests.wait import until

AT_ONCE: Final = {"repl-diskless-sync-delay": "0"}
"""Seconds that a primary waits for further replicas before the sync of the first one."""


class Moving:
    """`first` is the primary, `second` its replica; a move affects only new connections to `url`."""

    def __init__(self, first: Valkey, second: Valkey, ports: tuple[int, int], proxy: FaultProxy) -> None:
        self.first = first
        self.second = second
        self._ports = ports
        self.proxy = proxy
        self.url = f"redis://127.0.0.1:{proxy.port}/0"

    async def move(self) -> None:
        """Make the second server the primary and the first its replica, which keeps its connections."""
        with self.first.client() as first, self.second.client() as second:
            await asyncio.to_thread(second.execute_command, "REPLICAOF", "NO", "ONE")
            self.turn()
            await asyncio.to_thread(first.execute_command, "REPLICAOF", "127.0.0.1", self._ports[1])
            await asyncio.to_thread(first.execute_command, "CLIENT", "UNPAUSE")

    def split(self) -> None:
        """Make the second server a primary too, while the address still leads to the first."""
        with self.second.client() as second:
            second.execute_command("REPLICAOF", "NO", "ONE")

    def turn(self) -> None:
        """Lead new connections to the second server."""
        self.proxy.target = self._ports[1]


@asynccontextmanager
async def moving(folder: Path) -> AsyncIterator[Moving]:
    """A primary with a replica that is in sync."""
    ports = free_port(), free_port()
    first = Valkey(folder / "first", port=ports[0], **AT_ONCE).start()
    second = Valkey(folder / "second", port=ports[1], replicaof=f"127.0.0.1 {ports[0]}", **AT_ONCE).start()
    proxy = await FaultProxy(ports[0]).start()
    try:
        with second.client() as client:
            await until(lambda: client.info("replication")["master_link_status"] == "up")
        yield Moving(first, second, ports, proxy)
    finally:
        await proxy.close()
        second.close()
        first.close()
