"""Celery: a list on Redis, a hundred threads, acks after the task, results off, no gossip.

consume_celery.py EVENTS BODY, with HOOKBUS_REDIS_URL
"""

import os
import sys

from celery import Celery
from meter import Meter

EVENTS, BODY = int(sys.argv[1]), sys.argv[2]
meter = Meter(EVENTS)
app = Celery("bench", broker=os.environ["HOOKBUS_REDIS_URL"])
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    worker_prefetch_multiplier=4,
    worker_send_task_events=False,
    worker_redirect_stdouts=False,
    broker_connection_retry_on_startup=False,
)


@app.task(name="handle")
def handle(body: str) -> None:
    """Nothing to do."""
    meter.count()


if __name__ == "__main__":
    with app.producer_pool.acquire() as producer:
        for _ in range(EVENTS):
            handle.apply_async((BODY,), producer=producer)
    pool = ["--pool", "threads", "--concurrency", "100"]
    app.worker_main(
        ["worker", *pool, "--loglevel", "ERROR", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    )
