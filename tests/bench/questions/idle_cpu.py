"""What do three idle workers cost? CPU time as a share of one core, over one minute."""

import asyncio
from collections.abc import Sequence
from typing import Final

from tests.bench.cpu import Used
from tests.bench.figures import Answer, Series, at_most, reported
from tests.bench.question import question
from tests.bench.stage import Stage

WORKERS: Final = 3
SETTLE_S: Final = 5.0
"""Seconds until the work of the start is done."""


@question("CPU of each of three idle workers with ten subscriptions", idle_cpu_percent=at_most(1))
async def idle_cpu(stage: Stage) -> Sequence[Answer]:
    seconds = stage.scale(60.0, 10.0)
    server = await stage.valkey()
    workers = [await stage.worker(server, "tests.bench.idle:app") for _ in range(WORKERS)]
    await asyncio.sleep(SETTLE_S)
    pids = {f"worker {number}": worker.process.pid for number, worker in enumerate(workers, 1)}
    used = Used(pids | {"redis": server.pid})
    await asyncio.sleep(seconds)
    percent = {name: us / 1e4 / seconds for name, us in used.so_far_us().items()}
    redis = percent.pop("redis")
    series = [Series(name, (figure,)) for name, figure in percent.items()]
    return [reported("idle_cpu_percent", series, "% of a core", f"Redis itself took {redis:.2f} % for all three")]
