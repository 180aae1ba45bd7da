"""taskiq-redis: a stream with a consumer group, a hundred entries a read; no results.

consume_taskiq.py EVENTS BODY, with HOOKBUS_REDIS_URL
"""

import asyncio
import os
import sys

import uvloop
from meter import Meter
from taskiq.api import run_receiver_task
from taskiq_redis import RedisStreamBroker

EVENTS, BODY = int(sys.argv[1]), sys.argv[2]
meter = Meter(EVENTS)
broker = RedisStreamBroker(os.environ["HOOKBUS_REDIS_URL"], consumer_id="0", xread_count=100)


@broker.task
async def handle(body: str) -> None:
    """Nothing to do."""
    meter.count()


async def main() -> None:
    """Store the events, then work."""
    await broker.startup()
    for first in range(0, EVENTS, 100):
        await asyncio.gather(*(handle.kiq(BODY) for _ in range(min(100, EVENTS - first))))
    broker.is_worker_process = True
    await run_receiver_task(broker, max_async_tasks=100, max_prefetch=100, validate_params=False)


uvloop.run(main())
