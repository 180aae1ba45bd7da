"""The whole bus at work: one ingest, one worker, one Redis."""

import time
from dataclasses import dataclass
from typing import Any, Final

from hookbus.shared.connection import connect
from hookbus.shared.valkey import Valkey
from tests.bench import load, pace, waits
from tests.bench.backlog import STREAM
from tests.bench.cpu import Used
from tests.bench.stage import Stage
from tests.bench.waits import Sender
from tests.programs import Ingest, Worker
from tests.wait import until

DRAINED_S: Final = 120.0
"""Longest wait until all stored events are handled."""


@dataclass(frozen=True, slots=True)
class Whole:
    """`pids` are those of the three programs, by name."""

    stage: Stage
    server: Valkey
    ingest: Ingest
    worker: Worker

    @classmethod
    async def start(cls, stage: Stage) -> "Whole":
        """Start the three programs and warm them up."""
        server = await stage.valkey()
        worker = await stage.worker(server, "tests.bench.stopwatch:app")
        whole = cls(stage, server, await stage.ingest(server), worker)
        await load.warm_up(stage.folder, whole.ingest.port)
        await whole.drained()
        return whole

    @property
    def pids(self) -> dict[str, int]:
        """The pids of the three programs."""
        return {"ingest": self.ingest.process.pid, "worker": self.worker.process.pid, "redis": self.server.pid}

    async def capacity(self, seconds: float) -> float:
        """Events a second that are sent, stored and handled."""
        file, size = load.sign(self.stage.folder, int(load.MIN_RATE * seconds))
        sent = await load.run(file, size, self.ingest.port, seconds)
        ended = time.perf_counter()
        await self.drained()
        return sent.requests / (sent.seconds + time.perf_counter() - ended)

    async def at(self, rate: float, seconds: float) -> tuple[list[float], dict[str, float]]:
        """Send at a steady rate; returns the ms that each event took, and the CPU per event (us) of each program."""
        sender = Sender(await pace.http(self.ingest.port).connect(), waits.post)
        messages = sender.prepared(max(1, int(rate * seconds)))
        used = Used(self.pids)
        await pace.steadily(messages, rate)
        spent_us = used.so_far_us()
        took_ms = await sender.arrived_ms(self.worker)
        sender.close()
        return took_ms, {name: us / len(messages) for name, us in spent_us.items()}

    async def drained(self) -> None:
        """Wait until all stored events are handled and their acks written."""

        async def is_drained() -> bool:
            group = await self._group()
            return int(group[b"lag"]) == 0 and int(group[b"pending"]) == 0

        await until(is_drained, DRAINED_S, "nothing left to handle")

    async def _group(self) -> dict[bytes, Any]:
        client = connect(self.server.url, "bench", connections=1)
        try:
            [flat] = await client.execute_command("XINFO", "GROUPS", STREAM)
        finally:
            await client.aclose()
        return dict(zip(flat[::2], flat[1::2], strict=True))
