"""Two servers behind one address that moves, as the names and virtual addresses of primaries do in a failover."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from deploy.local.valkey import Valkey
from tests.chaos.harness.proxy import FaultProxy
from tests.programs import free_port
from tests.wait import until

AT_ONCE: Final = {"repl-diskless-sync-delay": "0"}
"""Seconds that a primary waits for further replicas before it sends its data to the first one."""


class Moving:
    """`first` is the primary, `second` its replica; only new connections to `url` see a move."""

    def __init__(self, first: Valkey, second: Valkey, ports: tuple[int, int], proxy: FaultProxy) -> None:
        self.first = first
        self.second = second
        self._ports = ports
        self.proxy = proxy
        self.url = f"redis://127.0.0.1:{proxy.port}/0"

    async def move(self) -> None:
        """Make the second one the primary and the first one its replica, which keeps its connections."""
        with self.first.client() as first, self.second.client() as second:
            await asyncio.to_thread(second.execute_command, "REPLICAOF", "NO", "ONE")
            self.turn()
            await asyncio.to_thread(first.execute_command, "REPLICAOF", "127.0.0.1", self._ports[1])
            await asyncio.to_thread(first.execute_command, "CLIENT", "UNPAUSE")

    def split(self) -> None:
        """Make the second one a primary of its own, which nobody is led to yet."""
        with self.second.client() as second:
            second.execute_command("REPLICAOF", "NO", "ONE")

    def turn(self) -> None:
        """Lead to the second one who connects from now on."""
        self.proxy.target = self._ports[1]


@asynccontextmanager
async def moving(folder: Path) -> AsyncIterator[Moving]:
    """A primary with its replica, in step."""
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
