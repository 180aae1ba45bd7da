"""Idle workers share what arrives at once: none of them holds deliveries that another could run."""

import asyncio
import contextlib
import time

from hookbus import App
from tests.wait import until
from tests.worker.builders import GROUP, store
from tests.worker.running import running

WORKERS = 4
TYPES = [f"made.up_{number}" for number in range(16)]
TAKES_S = 0.5
LAST_START_S = len(TYPES) / WORKERS * TAKES_S + 2
"""All of a worker's share one after the other, and the time until another worker takes what was given back."""


class Share:
    """When one worker began each delivery, and how many it ended. None ends before each of `shares` has begun as many:
    so a worker that the machine leaves waiting still gets its share, if there is one for it.
    """

    def __init__(self, shares: list["Share"]) -> None:
        self.began: list[float] = []
        self.ended = 0
        self.app = App(GROUP)

        @self.app.on("*", concurrency=1, timeout=30)
        async def handle(event: dict) -> None:
            self.began.append(time.monotonic())
            turn = len(self.began)
            await asyncio.sleep(TAKES_S)
            await until(lambda: all(len(share.began) >= turn for share in shares), 30)
            self.ended += 1


async def test_four_idle_workers_share_sixteen_types_of_one_commit(client, redis_url):
    shares: list[Share] = []
    shares += [Share(shares) for _ in range(WORKERS)]
    for name in TYPES:  # seen before
        await store(client, f"wh_first_{name}", event_type=name)

    def began() -> list[float]:
        return sorted(at for share in shares for at in share.began)

    async with contextlib.AsyncExitStack() as stack:
        for share in shares:
            await stack.enter_async_context(running(redis_url, share.app))
        await until(lambda: sum(share.ended for share in shares) == len(TYPES), 30)
        for share in shares:
            share.began.clear()
        stored_at = time.monotonic()
        async with client.pipeline(transaction=True) as commit:
            for name in TYPES:
                await store(commit, f"wh_{name}", event_type=name)
            await commit.execute()
        await until(lambda: len(began()) == len(TYPES), 30)
        assert [len(share.began) for share in shares] == [len(TYPES) // WORKERS] * WORKERS
        assert began()[-1] - stored_at <= LAST_START_S
