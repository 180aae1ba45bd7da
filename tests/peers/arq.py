"""arq: https://arq-docs.helpmanuel.com. A job that fails is retried when its handler raises `Retry`.

Its lease on a job is the job's time limit and ten seconds, so it can't be short where a handler may be long.
"""

import asyncio
from typing import Any, ClassVar

from arq import Retry, create_pool
from arq.connections import RedisSettings
from arq.constants import default_queue_name, job_key_prefix

from tests.peers import job, peer

SETTINGS = RedisSettings.from_dsn(peer.url())


async def perform(context: dict[str, Any], name: str, word: str) -> None:
    """Raises `Retry` for errors that deserve one, as in its documentation."""
    try:
        await job.perform("arq", name, word)
    except ValueError as error:
        raise Retry(defer=peer.RETRY_S) from error


class Worker:
    """The settings of a worker."""

    functions: ClassVar = [perform]
    redis_settings = SETTINGS
    max_jobs = peer.CONCURRENCY
    job_timeout = peer.TIMEOUT_S
    max_tries = peer.ATTEMPTS
    poll_delay = 0.1
    health_check_interval = 5


async def send(name: str, word: str) -> None:
    """A job by its own client."""
    await (await create_pool(SETTINGS)).enqueue_job("perform", name, word, _job_id=name)


async def spoil(name: str) -> None:
    """Its client keeps a whole job pickled in one value."""
    await send(name, job.OK)
    await (await create_pool(SETTINGS)).set(job_key_prefix + name, peer.garbage(name), keepttl=True)


async def dead(names: list[str]) -> set[str]:
    """Failed results."""
    pool = await create_pool(SETTINGS, default_queue_name=default_queue_name)
    return {result.job_id for result in await pool.all_job_results() if not result.success} & set(names)


PEER = peer.Peer(
    name="arq",
    packages=("arq", "redis"),
    settings=f"`max_jobs` {peer.CONCURRENCY}, `job_timeout` {peer.TIMEOUT_S} s (its lease is 10 s more),"
    f" `max_tries` {peer.ATTEMPTS}, failures raise `Retry`, `poll_delay` 0.1 s",
    record="failed result",
    lease_s=peer.TIMEOUT_S + 10,
    worker=("-m", "arq", "tests.peers.arq.Worker"),
    send=send,
    spoil=spoil,
    dead=dead,
)

if __name__ == "__main__":
    asyncio.run(peer.serve(PEER))
