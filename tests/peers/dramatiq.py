"""dramatiq with its Redis broker: https://dramatiq.io. Threads; final failures go to a dead-letter queue."""

import asyncio

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from tests.peers import job, peer

MAINTENANCE = 100_000
"""Of a million commands. Its default, a thousand, takes too long to find a dead worker when there is little to do."""

broker = RedisBroker(url=peer.url(), heartbeat_timeout=peer.LEASE_S * 1000, maintenance_chance=MAINTENANCE)
dramatiq.set_broker(broker)


@dramatiq.actor(
    max_retries=peer.ATTEMPTS - 1, min_backoff=int(peer.RETRY_S * 1000), max_backoff=2000,
    time_limit=peer.TIMEOUT_S * 1000,
)  # fmt: skip
def perform(name: str, word: str) -> None:
    """The handler."""
    job.perform_blocking("dramatiq", name, word)


async def send(name: str, word: str) -> None:
    """A message by its own client."""
    perform.send(name, word)


async def spoil(name: str) -> None:
    """Its client keeps a whole message as JSON in one value."""
    perform.send(name, job.OK)
    for key, message in broker.client.hgetall("dramatiq:default.msgs").items():
        if f'"{name}"'.encode() in message:
            broker.client.hset("dramatiq:default.msgs", key, peer.garbage(name))


async def dead(names: list[str]) -> set[str]:
    """The dead-letter queue."""
    letters = broker.client.hvals("dramatiq:default.XQ.msgs")
    return {
        name
        for name in names
        if any(f'"{name}"'.encode() in letter or letter == peer.garbage(name) for letter in letters)
    }


PEER = peer.Peer(
    name="dramatiq",
    packages=("dramatiq", "redis"),
    settings=f"`--processes` 1, `--threads` {peer.CONCURRENCY}, `heartbeat_timeout` {peer.LEASE_S} s,"
    f" `maintenance_chance` {MAINTENANCE:,}, `max_retries` {peer.ATTEMPTS - 1}, `time_limit` {peer.TIMEOUT_S} s",
    record="dead letter",
    lease_s=peer.LEASE_S,
    worker=(
        "-m",
        "dramatiq",
        "tests.peers.dramatiq",
        "--processes",
        "1",
        "--threads",
        str(peer.CONCURRENCY),
    ),
    send=send,
    spoil=spoil,
    dead=dead,
)

if __name__ == "__main__":
    asyncio.run(peer.serve(PEER))
