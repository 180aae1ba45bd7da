"""FastStream over Redis streams: https://faststream.ag2.ai. A second subscriber claims entries that were idle for too
long.

It keeps no failures. What its user can do, its handler does: count deliveries, and put a message away after some.
"""

import asyncio
import os
from typing import Any

from faststream import AckPolicy, FastStream
from faststream.redis import RedisBroker, RedisStreamMessage, StreamSub
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from tests.peers import job, peer

STREAM = "jobs"
DEAD = "dead"
GROUP = "five"

broker = RedisBroker(peer.url())
app = FastStream(broker)


def of(kind: str, **options: Any) -> StreamSub:
    """The stream, for a consumer whose name no other process has."""
    return StreamSub(STREAM, group=GROUP, consumer=f"{kind}-{os.getpid()}", polling_interval=200, **options)


@broker.subscriber(
    stream=of("new", max_records=peer.CONCURRENCY), max_workers=peer.CONCURRENCY, ack_policy=AckPolicy.NACK_ON_ERROR
)
async def take(body: dict[str, str]) -> None:
    """Handle new entries."""
    await job.perform("faststream", body["name"], body["word"])


@broker.subscriber(
    stream=of("old", min_idle_time=peer.LEASE_S * 1000),
    max_workers=peer.CONCURRENCY,
    ack_policy=AckPolicy.NACK_ON_ERROR,
)
async def take_again(body: dict[str, str], message: RedisStreamMessage) -> None:
    """Handle idle entries: failed ones, and those of a dead worker."""
    if await message.get_delivery_count() > peer.ATTEMPTS:
        await broker.publish(body, stream=DEAD)
        return
    await job.perform("faststream", body["name"], body["word"])


async def ready() -> None:
    """A connected broker, with a group that reads from the beginning."""
    await broker.connect()
    async with Redis.from_url(peer.url()) as client:
        try:
            await client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise


async def send(name: str, word: str) -> None:
    """A message by its own client."""
    await ready()
    await broker.publish({"name": name, "word": word}, stream=STREAM)


async def spoil(name: str) -> None:
    """A message whose body is no JSON."""
    await ready()
    await broker.publish(peer.garbage(name), stream=STREAM)


async def dead(names: list[str]) -> set[str]:
    """The entries that the handler put away."""
    async with Redis.from_url(peer.url()) as client:
        letters = [repr(fields) for _, fields in await client.xrange(DEAD)]
    return {name for name in names if any(f'"{name}"' in letter for letter in letters)}


PEER = peer.Peer(
    name="faststream",
    packages=("faststream", "redis"),
    settings=f"`max_workers` {peer.CONCURRENCY}, `NACK_ON_ERROR`, a second subscriber with `min_idle_time`"
    f" {peer.LEASE_S} s, which puts away by hand what was delivered more than {peer.ATTEMPTS} times",
    record="put away by hand",
    lease_s=peer.LEASE_S,
    worker=("-m", "faststream", "run", "tests.peers.faststream:app"),
    send=send,
    spoil=spoil,
    dead=dead,
)

if __name__ == "__main__":
    asyncio.run(peer.serve(PEER))
