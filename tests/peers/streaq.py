"""streaQ: https://streaq.readthedocs.io. A worker renews the idle time of what it runs; deliveries count as tries."""

import asyncio

from streaq import StreaqRetry, TaskStatus, Worker

from tests.peers import job, peer

worker = Worker(redis_url=peer.url(), concurrency=peer.CONCURRENCY, prefetch=1, idle_timeout=peer.LEASE_S)


@worker.task(max_tries=peer.ATTEMPTS, timeout=peer.TIMEOUT_S, ttl=3600)
async def perform(name: str, word: str) -> None:
    """Raises `StreaqRetry` for errors that deserve one, as in its documentation."""
    try:
        await job.perform("streaq", name, word)
    except ValueError as error:
        raise StreaqRetry(delay=peer.RETRY_S) from error


async def send(name: str, word: str) -> None:
    """A task by its own client."""
    task = perform.enqueue(name, word)
    task.id = name
    async with worker:
        await task


async def spoil(name: str) -> None:
    """Its client keeps a whole task pickled in one value."""
    await send(name, job.OK)
    async with worker:
        await worker.redis.set(worker.task_key + name, peer.garbage(name))


async def dead(names: list[str]) -> set[str]:
    """Failed results."""
    found = set()
    async with worker:
        for name in names:
            if await worker.status_by_id(name) is TaskStatus.DONE:
                result = await worker.result_by_id(name, timeout=5)
                if not result.success:
                    found.add(name)
    return found


PEER = peer.Peer(
    name="streaq",
    packages=("streaq", "coredis"),
    settings=f"`concurrency` {peer.CONCURRENCY}, `idle_timeout` {peer.LEASE_S} s, `max_tries` {peer.ATTEMPTS},"
    f" `timeout` {peer.TIMEOUT_S} s, failures raise `StreaqRetry`",
    record="failed result",
    lease_s=peer.LEASE_S,
    worker=("-m", "streaq", "run", "tests.peers.streaq:worker"),
    send=send,
    spoil=spoil,
    dead=dead,
)

if __name__ == "__main__":
    asyncio.run(peer.serve(PEER))
