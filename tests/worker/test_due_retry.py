"""G7 with redrives: however many redriven letters of a type wait, a due retry of another type does not."""

import asyncio
import time

import pytest

from hookbus import App, Breaker, RetryLater
from hookbus.worker.pipeline.outcome import Cause, DeadLetter
from tests.bench import settled
from tests.wait import until
from tests.worker.builders import GROUP, TYPE
from tests.worker.builders import store as store_one
from tests.worker.commands import succeeded
from tests.worker.running import running

LETTERS = 3000
OTHER = "batch.completed"
RETRY_S = 1.0
LATE_S = 2.0


class Subscriptions:
    """One for the redriven type, unless there is none, and one for the other type, which is retried once."""

    def __init__(self, state: str) -> None:
        self.began = 0
        self.of_other: list[float] = []
        self.go = asyncio.Event()
        self.app = App(GROUP)
        if state != "unsubscribed":
            is_broken = state == "broken"

            @self.app.on(TYPE, concurrency=1, breaker=Breaker(failures=1, delay=60))
            async def handle(event: dict) -> None:
                self.began += 1
                if is_broken:
                    raise ValueError("broken")
                await self.go.wait()

        @self.app.on(OTHER)
        async def retry_once(event: dict) -> None:
            self.of_other.append(time.monotonic())
            if len(self.of_other) == 1:
                raise RetryLater(RETRY_S)


@pytest.mark.parametrize("state", ["paused", "full", "broken", "unsubscribed"])
async def test_g7_a_due_retry_waits_for_no_redriven_letters_of_another_type(state, server, redis_url, client):
    await settled.write(server, GROUP, LETTERS, lambda number: DeadLetter("rejected", Cause("E", "", "", "")), (TYPE,))
    succeeded(redis_url, "dlq", "redrive", "--group", GROUP, "--include-unsubscribed", "--yes")
    if state == "paused":
        succeeded(redis_url, "pause", GROUP, TYPE, "--force")
    subscriptions = Subscriptions(state)
    async with running(redis_url, subscriptions.app):
        if state in ("full", "broken"):
            await until(lambda: subscriptions.began)
        await store_one(client, "wh_other", event_type=OTHER)
        await until(lambda: len(subscriptions.of_other) == 2)
        subscriptions.go.set()
    began, again = subscriptions.of_other
    assert RETRY_S <= again - began <= RETRY_S + LATE_S
    assert await client.execute_command("XLEN", settled.KEYS.redelivery(TYPE, GROUP)) > LETTERS / 2, "they still wait"
