"""The minimal consumer: a loop of redis-py that reads a hundred entries, decodes, runs a task for each, and acks.

No retries, no takeover, no limits, no metrics. The acks of a batch are sent with the next read.

python -m tests.bench.sides.bare_loop URL EVENTS
"""

import asyncio
import sys
from typing import Final

import msgspec
import uvloop
from redis.asyncio import Redis

from hookbus.events import ResponseCompleted
from tests.bench.backlog import STREAM
from tests.bench.peers.meter import Meter

GROUP: Final = "loop"
COUNT: Final = 100
decode = msgspec.json.Decoder(ResponseCompleted).decode


async def run(client: Redis, meter: Meter, events: int) -> None:
    """Handle `events` events."""

    async def handle(event: ResponseCompleted) -> None:
        meter.count()

    done: list[bytes] = []
    while events > 0:
        pipeline = client.pipeline(transaction=False)
        if done:
            pipeline.xack(STREAM, GROUP, *done)
        pipeline.xreadgroup(GROUP, "one", {STREAM: ">"}, count=COUNT, block=2000)
        *_, reply = await pipeline.execute()
        entries = reply[0][1] if reply else []
        await asyncio.gather(*(asyncio.create_task(handle(decode(fields[b"body"]))) for _, fields in entries))
        done = [entry_id for entry_id, _ in entries]
        events -= len(done)
    await client.xack(STREAM, GROUP, *done)


async def main(url: str, events: int) -> None:
    """Read the whole stream from its start."""
    client = Redis.from_url(url, protocol=2)
    await client.xgroup_destroy(STREAM, GROUP)
    await client.xgroup_create(STREAM, GROUP, "0")
    await run(client, Meter(events), events)
    await client.aclose()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
