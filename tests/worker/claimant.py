"""A worker that claims deliveries of dead consumers, for tests."""

import asyncio
import contextlib

from hookbus.shared.connection import connect
from hookbus.worker.duties.takeover import Takeover
from tests.worker.builders import TYPE, Handler, a_context, join, register
from tests.worker.lookouts import a_lookout
from tests.worker.subscriptions import Runtime, settling


class FixedLiveness:
    """A `Liveness` that is steady or not, as the test sets it."""

    steady = True

    def is_steady(self) -> bool:
        return self.steady


class Claimant:
    """A worker that claims as consumer `me`, round by round; its reader does not run."""

    def __init__(self, runtime: Runtime, client) -> None:
        runtime.reader.add(TYPE)
        self.runtime = runtime
        self.quarantine = runtime.quarantine
        self.liveness = FixedLiveness()
        self.stopping = asyncio.Event()
        self.lookout = a_lookout(client, self.stopping)
        self.duty = Takeover(
            a_context(client, unusable_keys=runtime.unusable_keys, stopping=self.stopping),
            lookout=self.lookout,
            quarantine=runtime.quarantine,
            reader=runtime.reader,
            subscribers=[runtime.subscriber],
            liveness=self.liveness,
        )

    async def round(self) -> None:
        await self.lookout.look()
        await self.duty._round()


@contextlib.asynccontextmanager
async def claimant(url: str, client, handler: Handler, **options):
    await join(client)
    writer = connect(url, "tests:settle")
    async with settling(writer) as outcome_writer:
        runtime = Runtime(url, client, outcome_writer, handler.route(**options), "me")
        await register(client, "me")
        found = Claimant(runtime, client)
        await runtime.open()
        yield found
        await runtime.close()
    await writer.aclose()
