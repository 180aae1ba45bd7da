"""saq: a list of job names and a key for each job; results off.

consume_saq.py EVENTS BODY, with HOOKBUS_REDIS_URL
"""

import asyncio
import os
import sys

import uvloop
from meter import Meter
from saq import Queue, Worker

EVENTS, BODY = int(sys.argv[1]), sys.argv[2]
meter = Meter(EVENTS)


async def handle(_: dict, *, body: str) -> None:
    """Nothing to do."""
    meter.count()


async def main() -> None:
    """Store the events, then work."""
    queue = Queue.from_url(os.environ["HOOKBUS_REDIS_URL"])
    await queue.connect()
    for first in range(0, EVENTS, 100):
        count = min(100, EVENTS - first)
        await asyncio.gather(*(queue.enqueue("handle", body=BODY, ttl=-1) for _ in range(count)))
    await Worker(queue, functions=[handle], concurrency=100).start()


uvloop.run(main())
