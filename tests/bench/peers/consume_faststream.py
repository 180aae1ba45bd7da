"""FastStream: a stream with a consumer group, a hundred entries a read and a hundred workers.

consume_faststream.py EVENTS BODY, with HOOKBUS_REDIS_URL
"""

import asyncio
import os
import sys

import uvloop
from faststream import FastStream
from faststream.redis import RedisBroker, StreamSub
from meter import Meter

EVENTS, BODY = int(sys.argv[1]), sys.argv[2]
meter = Meter(EVENTS)
# Without its own look at types: the body stays as it is.
broker = RedisBroker(os.environ["HOOKBUS_REDIS_URL"], apply_types=False, logger=None)


@broker.subscriber(
    stream=StreamSub("events", group="bench", consumer="one", max_records=100, last_id=">"), max_workers=100
)
async def handle(body: object) -> None:
    """Nothing to do."""
    meter.count()


async def main() -> None:
    """Store the events, then work."""
    await broker.connect()
    client = broker._connection
    await client.xgroup_create("events", "bench", "0", mkstream=True)
    for first in range(0, EVENTS, 100):
        await asyncio.gather(*(broker.publish(BODY, stream="events") for _ in range(min(100, EVENTS - first))))
    await FastStream(broker, logger=None).run()


uvloop.run(main())
