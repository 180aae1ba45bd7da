"""Celery over Redis: https://docs.celeryq.dev. A pool of processes; a job whose process dies has failed.

`task_reject_on_worker_lost` stays off: with it a killer is redelivered for ever, as its documentation warns.
"""

import asyncio
import base64
import json

import redis
from celery import Celery

from tests.peers import job, peer

app = Celery("five", broker=peer.url(), backend=peer.url())
app.conf.update(
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    broker_transport_options={
        "visibility_timeout": peer.LEASE_S,
        # As its documentation recommends for a short visibility: the default checks every hundred seconds.
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
    },
    result_expires=3600,
    task_time_limit=peer.TIMEOUT_S,
    broker_connection_retry_on_startup=True,
)


@app.task(
    name="perform", autoretry_for=(ValueError,), max_retries=peer.ATTEMPTS - 1, default_retry_delay=peer.RETRY_S
)  # fmt: skip
def perform(name: str, word: str) -> None:
    """The handler."""
    job.perform_blocking("celery", name, word)


async def send(name: str, word: str) -> None:
    """A task by its own client."""
    perform.apply_async((name, word), task_id=name)


async def spoil(name: str) -> None:
    """Its client keeps the arguments as a body of their own, in a message that is well formed."""
    perform.apply_async((name, job.OK), task_id=name)
    client = redis.Redis.from_url(peer.url())
    for place, message in enumerate(client.lrange("celery", 0, -1)):
        fields = json.loads(message)
        if fields["headers"]["id"] == name:
            fields["body"] = base64.b64encode(peer.garbage(name)).decode()
            client.lset("celery", place, json.dumps(fields))


async def dead(names: list[str]) -> set[str]:
    """Results with that state."""
    return {name for name in names if app.AsyncResult(name).state == "FAILURE"}


PEER = peer.Peer(
    name="celery",
    packages=("celery", "kombu", "redis"),
    settings=f"`--concurrency` {peer.CONCURRENCY} (processes), `task_acks_late`, `worker_prefetch_multiplier` 1,"
    f" `visibility_timeout` {peer.LEASE_S} s (looked at each 5 s), `autoretry_for` with {peer.ATTEMPTS - 1} retries,"
    f" `task_time_limit` {peer.TIMEOUT_S} s, results in Redis",
    record="failed result",
    lease_s=peer.LEASE_S,
    worker=(
        "-m",
        "celery",
        "-A",
        "tests.peers.celery",
        "worker",
        "--pool",
        "prefork",
        "--concurrency",
        str(peer.CONCURRENCY),
        "--loglevel",
        "info",
    ),
    send=send,
    spoil=spoil,
    dead=dead,
)

if __name__ == "__main__":
    asyncio.run(peer.serve(PEER))
