"""arq: a sorted set of jobs, polled as often as that pays; results off.

consume_arq.py EVENTS BODY, with HOOKBUS_REDIS_URL
"""

import asyncio
import os
import sys

import uvloop
from arq import create_pool
from arq.connections import RedisSettings
from arq.worker import Worker, func
from meter import Meter

EVENTS, BODY = int(sys.argv[1]), sys.argv[2]
meter = Meter(EVENTS)


async def handle(_: dict, body: str) -> None:
    """Nothing to do."""
    meter.count()


async def main() -> None:
    """Store the events, then work."""
    settings = RedisSettings.from_dsn(os.environ["HOOKBUS_REDIS_URL"])
    pool = await create_pool(settings)
    for first in range(0, EVENTS, 100):
        await asyncio.gather(*(pool.enqueue_job("handle", BODY) for _ in range(min(100, EVENTS - first))))
    # By default it polls twice a second for five hundred jobs, and would be idle most of the time.
    worker = Worker(
        [func(handle, name="handle", keep_result=0)],
        redis_pool=pool, max_jobs=100, poll_delay=0.001, handle_signals=False,
    )  # fmt: skip
    await worker.async_run()


uvloop.run(main())
