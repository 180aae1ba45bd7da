"""A subscription whose suspects run, for tests."""

import asyncio
import contextlib

from hookbus.worker.duties.suspects import Suspect
from tests.worker.builders import GROUP, KEYS, Runtime, join, runtime, store, take


class RunningSuspects:
    """A subscription and its running suspects."""

    def __init__(self, subscription: Runtime, client) -> None:
        self.runtime = subscription
        self.suspects = subscription.suspects
        self.task = asyncio.create_task(self.suspects.run())

    def suspect(self, in_flight) -> None:
        self.suspects.add(Suspect(in_flight, self.runtime.subscriber, KEYS, self.runtime.reader))

    def other(self, in_flight) -> None:
        self.runtime.subscriber.begin(in_flight)


@contextlib.asynccontextmanager
async def running_suspects(url: str, client, route):
    async with runtime(url, client, route) as subscription:
        running = RunningSuspects(subscription, client)
        yield running
        running.task.cancel()
        await asyncio.gather(running.task, return_exceptions=True)


async def delivered(client, *names: str):
    await join(client)
    await store(client, *names)
    return await take(client, "me")


async def marks(client) -> list[bytes]:
    return await client.execute_command("HGETALL", KEYS.started(GROUP))
