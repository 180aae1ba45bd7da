"""A lane whose suspects run, for tests."""

import asyncio
import contextlib

from hookbus.worker.duties.suspects import Suspect
from tests.worker.rig import GROUP, KEYS, Lane, join, lane, store, take


class Court:
    """A lane and its suspects, which run."""

    def __init__(self, made: Lane, client) -> None:
        self.lane = made
        self.suspects = made.suspects
        self.task = asyncio.create_task(self.suspects.run())

    def suspect(self, held) -> None:
        self.suspects.add(Suspect(held, self.lane.subscriber, KEYS, self.lane.reader))

    def other(self, held) -> None:
        self.lane.subscriber.begin(held)


@contextlib.asynccontextmanager
async def court(url: str, client, route):
    async with lane(url, client, route) as made:
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
