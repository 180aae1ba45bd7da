"""streaq: a stream of task ids and a key for each task; results off.

consume_streaq.py EVENTS BODY, with HOOKBUS_REDIS_URL
"""

import os
import sys

import anyio
from meter import Meter
from streaq import Worker

EVENTS, BODY = int(sys.argv[1]), sys.argv[2]
meter = Meter(EVENTS)
worker = Worker(
    os.environ["HOOKBUS_REDIS_URL"], concurrency=100, prefetch=100, handle_signals=False,
    anyio_kwargs={"use_uvloop": True},
)  # fmt: skip


@worker.task(ttl=0, silent=True)
async def handle(body: str) -> None:
    """Nothing to do."""
    meter.count()


async def main() -> None:
    """Store the events, then work."""
    async with worker:
        for first in range(0, EVENTS, 500):
            await worker.enqueue_many([handle.enqueue(BODY) for _ in range(min(500, EVENTS - first))])


if __name__ == "__main__":
    anyio.run(main, backend="asyncio", backend_options={"use_uvloop": True})
    worker.run_sync()
