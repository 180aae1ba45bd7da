"""From the start of a process to its first 200 on `/readyz`, with a reachable Redis."""

import asyncio
import signal
import time
from collections.abc import Sequence
from typing import Final

import aiohttp

from hookbus.shared.valkey import Valkey
from tests.bench.figures import Answer, at_most, reported
from tests.bench.question import question
from tests.bench.stage import Stage
from tests.programs import Ingest, Program, Worker, free_port

POLL_S: Final = 0.005
POLLS: Final = 6000


@question("process start to ready, ingest and worker", start_s=at_most(0.7))
async def start(stage: Stage) -> Sequence[Answer]:
    server = await stage.valkey()
    series = await stage.rounds_of(ingest=lambda: ingest_s(server), worker=lambda: worker_s(server))
    return [reported("start_s", series, "s")]


async def ingest_s(server: Valkey) -> float:
    """Seconds until ingest is ready."""
    port, began = free_port(), time.perf_counter()
    with Ingest(server.url, HOOKBUS_INGEST_OPS_LISTEN=f"127.0.0.1:{port}") as program:
        return await ready_s(program, port, began)


async def worker_s(server: Valkey) -> float:
    """Seconds until a worker is ready."""
    port, began = free_port(), time.perf_counter()
    with Worker(server.url, "tests.bench.idle:app", HOOKBUS_WORKER_OPS_LISTEN=f"127.0.0.1:{port}") as program:
        return await ready_s(program, port, began)


async def ready_s(program: Program, port: int, began: float) -> float:
    """Seconds from `began` until the program is ready; then ends it. Raises TimeoutError."""
    async with aiohttp.ClientSession() as session:
        for _ in range(POLLS):
            if await is_ready(session, port):
                took = time.perf_counter() - began
                await program.end(signal.SIGINT)
                return took
            await asyncio.sleep(POLL_S)
    raise TimeoutError(f"{program.command} is not ready")


async def is_ready(session: aiohttp.ClientSession, port: int) -> bool:
    """Whether `/readyz` returns 200."""
    try:
        async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False
