"""A lane whose suspects run, for tests."""

import asyncio
import contextlib

from hookbus.worker.duties.suspects import Suspect
from tests.worker.rig import GROUP, KEYS, Runtime, join, runtime, store, take


class Court:
    """A lane and its suspects, which run."""

    def __init__(self, made: Runtime, client) -> None:
        self.runtime = made
        self.suspects = made.suspects
        self.task = asyncio.create_task(self.suspects.run())

    def suspect(self, in_flight) -> None:
        self.suspects.add(Suspect(in_flight, self.runtime.subscriber, KEYS, self.runtime.reader))

    def other(self, in_flight) -> None:
        self.runtime.subscriber.begin(in_flight)


@contextlib.asynccontextmanager
async def court(url: str, client, route):
    async with runtime(url, client, route) as made:
        found = Court(made, client)
        yield found
        found.task.cancel()
        await asyncio.gather(found.task, return_exceptions=True)


async def in_hand(client, *names: str):
    await join(client)
    await store(client, *names)
    return await take(client, "me")


async def marks(client) -> list[bytes]:
    return await client.execute_command("HGETALL", KEYS.started(GROUP))
