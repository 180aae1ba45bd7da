"""SAQ: https://saq-py.readthedocs.io. A job that gives no heartbeat for some seconds is swept and retried."""

import asyncio
import contextlib
from typing import Any

from saq import Job, Queue, Status

from tests.peers import job, peer

queue = Queue.from_url(peer.url())


async def beat(current: Job) -> None:
    """Send the heartbeat, which its documentation leaves to the handler."""
    while True:
        await asyncio.sleep(peer.LEASE_S / 4)
        await current.update()


async def perform(context: dict[str, Any], *, name: str, word: str) -> None:
    """The handler, with its heartbeat beside it."""
    beating = asyncio.create_task(beat(context["job"]))
    try:
        await job.perform("saq", name, word)
    finally:
        beating.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await beating


settings = {
    "queue": queue,
    "functions": [perform],
    "concurrency": peer.CONCURRENCY,
    "timers": {"schedule": 1, "sweep": 5, "worker_info": 10, "abort": 1},
}


async def send(name: str, word: str) -> None:
    """A job by its own client."""
    await queue.enqueue(
        Job(
            "perform",
            key=name,
            kwargs={"name": name, "word": word},
            timeout=peer.TIMEOUT_S,
            heartbeat=peer.LEASE_S,
            retries=peer.ATTEMPTS,
            retry_delay=peer.RETRY_S,
            ttl=3600,
        )
    )


async def spoil(name: str) -> None:
    """Its client keeps a whole job as JSON in one value."""
    await send(name, job.OK)
    await queue.redis.set(queue.job_id(name), peer.garbage(name))


async def dead(names: list[str]) -> set[str]:
    """Jobs with that status; an undecodable one has none."""
    found = set()
    for name in names:
        with contextlib.suppress(ValueError):
            current = await queue.job(name)
            if current is not None and current.status in (Status.FAILED, Status.ABORTED):
                found.add(name)
    return found


PEER = peer.Peer(
    name="saq",
    packages=("saq", "redis"),
    settings=f"`concurrency` {peer.CONCURRENCY}, `timeout` {peer.TIMEOUT_S} s, `heartbeat` {peer.LEASE_S} s, given by"
    f" the handler each {peer.LEASE_S / 4:g} s, `sweep` each 5 s, `retries` {peer.ATTEMPTS}",
    record="failed job",
    lease_s=peer.LEASE_S + 5,
    worker=("-m", "saq", "tests.peers.saq.settings"),
    send=send,
    spoil=spoil,
    dead=dead,
)

if __name__ == "__main__":
    asyncio.run(peer.serve(PEER))
