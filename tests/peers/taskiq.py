"""taskiq with taskiq-redis: https://taskiq-python.github.io. It takes over entries that were idle for too long."""

import asyncio

from redis.asyncio import Redis
from taskiq import SmartRetryMiddleware
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from tests.peers import job, peer

STREAM = "taskiq"
broker = (
    RedisStreamBroker(
        url=peer.url(),
        queue_name=STREAM,
        consumer_id="0",
        idle_timeout=peer.LEASE_S * 1000,
        unacknowledged_lock_timeout=5.0,
        xread_count=peer.CONCURRENCY,
        unacknowledged_batch_size=peer.CONCURRENCY,
    )
    .with_result_backend(RedisAsyncResultBackend(peer.url(), result_ex_time=3600))
    .with_middlewares(
        SmartRetryMiddleware(
            default_retry_count=peer.ATTEMPTS, default_retry_label=True, default_delay=peer.RETRY_S, use_jitter=True
        )
    )
)


@broker.task(task_name="perform")
async def perform(name: str, word: str) -> None:
    """The handler."""
    await job.perform("taskiq", name, word)


async def send(name: str, word: str) -> None:
    """A task by its own client."""
    await broker.startup()
    await perform.kicker().with_task_id(name).kiq(name, word)


async def spoil(name: str) -> None:
    """Its client keeps a whole task as JSON in one field."""
    await broker.startup()
    async with Redis.from_url(peer.url()) as client:
        await client.xadd(STREAM, {b"data": peer.garbage(name)})


async def dead(names: list[str]) -> set[str]:
    """Failed results."""
    await broker.startup()
    backend = broker.result_backend
    return {name for name in names if await backend.is_result_ready(name) and (await backend.get_result(name)).is_err}


PEER = peer.Peer(
    name="taskiq",
    packages=("taskiq", "taskiq-redis", "redis"),
    settings=f"`--max-async-tasks` {peer.CONCURRENCY}, `--ack-type when_saved`, `idle_timeout` {peer.LEASE_S} s,"
    f" `unacknowledged_lock_timeout` 5 s, `SmartRetryMiddleware` with {peer.ATTEMPTS} attempts, results in Redis",
    record="failed result",
    lease_s=peer.LEASE_S,
    worker=(
        "-m",
        "taskiq",
        "worker",
        "tests.peers.taskiq:broker",
        "--workers",
        "1",
        "--max-async-tasks",
        str(peer.CONCURRENCY),
        "--ack-type",
        "when_saved",
    ),
    send=send,
    spoil=spoil,
    dead=dead,
)

if __name__ == "__main__":
    asyncio.run(peer.serve(PEER))
