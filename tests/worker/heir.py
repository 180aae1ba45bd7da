"""A worker that takes over, for tests."""

import asyncio
import contextlib

from hookbus.shared.connection import connect
from hookbus.worker.duties.takeover import Takeover
from tests.worker.rig import GROUP, KEYS, TYPE, Handler, Lane, join, register, settling


class Clockwork:
    """Says whether everybody had time to show life."""

    steady = True

    def is_steady(self) -> bool:
        return self.steady


class Heir:
    """A worker that takes over as `me`, round by round; its reader does not read."""

    def __init__(self, made: Lane, membership, client) -> None:
        made.reader.add(TYPE)
        self.lane = made
        self.suspects = made.suspects
        self.liveness = Clockwork()
        self.stopping = asyncio.Event()
        self.duty = Takeover(
            client=client,
            keys=KEYS,
            group=GROUP,
            consumer="me",
            membership=membership,
            lanes=[(made.reader, made.subscriber)],
            liveness=self.liveness,
            aside=made.aside,
            stopping=self.stopping,
        )

    async def round(self) -> None:
        await self.duty._look()


@contextlib.asynccontextmanager
async def heir(url: str, client, handler: Handler, **options):
    membership = await join(client)
    writer = connect(url, "tests:settle")
    async with settling(writer) as settler:
        made = Lane(url, client, settler, handler.route(**options), "me")
        await register(client, "me")
        yield Heir(made, membership, client)
        await made.close()
    await writer.aclose()
