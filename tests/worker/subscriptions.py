"""One subscription with its reader and writer, without a worker around it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from redis.asyncio import Redis

from hookbus.shared.connection import connect
from hookbus.shared.keys import Keys
from hookbus.shared.raw_connection import RawConnection
from hookbus.worker.duties.circuit import Circuit
from hookbus.worker.duties.membership import Membership
from hookbus.worker.inventory import redeliveries
from hookbus.worker.pipeline.process import Caller
from hookbus.worker.pipeline.read import Reader
from hookbus.worker.pipeline.routes import Route
from hookbus.worker.pipeline.settle import OutcomeWriter
from hookbus.worker.pipeline.slots import Slots
from hookbus.worker.pipeline.subscriber import Subscriber
from hookbus.worker.pipeline.unusable_keys import UnusableKeys
from hookbus.worker.quarantine.launch import Launch
from hookbus.worker.quarantine.quarantine import Quarantine
from tests.worker.builders import GROUP, KEYS, TYPE, a_context, join


@contextlib.asynccontextmanager
async def settling(client: Redis | RawConnection, consumer: str = "me") -> AsyncIterator[OutcomeWriter]:
    """A running outcome writer, on a connection like those of `client`. `announced` collects its parked deliveries."""
    announced: list[tuple[Keys, str, int]] = []
    connection = RawConnection(client) if isinstance(client, Redis) else client
    outcome_writer = OutcomeWriter(connection, consumer, lambda *parked: announced.append(parked))
    outcome_writer.announced = announced  # type: ignore[attr-defined]
    task = asyncio.create_task(outcome_writer.run())
    yield outcome_writer
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await connection.aclose()


class Runtime:
    """One subscription with its reader, slots and subscriber, under one consumer name."""

    def __init__(
        self, url: str, control: Redis, outcome_writer: OutcomeWriter, route: Route, consumer: str = "me"
    ) -> None:
        self.line = RawConnection(connect(url, "tests:read", reply_timeout_s=6, has_term=True))
        self.control = control
        self.stopping = asyncio.Event()
        self.unusable_keys = UnusableKeys()
        self.losses: list[list[str]] = []
        caller = Caller(route, route.concurrency)
        self.circuit = Circuit(route, lambda: None)
        launch = Launch.now(["tests.no.such:app"])
        self.quarantine = Quarantine(
            launch=launch,
            client=control,
            shards=[KEYS],
            consumer=consumer,
            processes=2,
        )
        """It does not run: suspects wait there."""
        self.slots = Slots(route.concurrency, self.circuit.circuit_gate)
        self.subscriber = Subscriber(
            route=route,
            caller=caller,
            slots=self.slots,
            outcome_writer=outcome_writer,
            observe=self.circuit.observe,
            stopping=self.stopping,
            divert=self.quarantine.takes,
        )
        here = a_context(control, consumer=consumer, unusable_keys=self.unusable_keys, stopping=self.stopping)
        self.reader = Reader(
            here,
            connection=self.line,
            subscriber_of=lambda _: self.subscriber,
            lost=self._lost,
            relist=Membership(here, "earliest", ()).relist,
        )
        self.task: asyncio.Task[None] | None = None

    async def _lost(self, types: Any) -> None:
        self.losses.append(list(types))
        await join(self.control, *types, unusable_keys=self.unusable_keys)

    def start(self, *types: str) -> "Runtime":
        self.reader.add(*(types or (TYPE,)))
        self.task = asyncio.create_task(self._run())
        return self

    async def _run(self) -> None:
        await self.open()
        await self.reader.run()

    async def open(self) -> None:
        """Read the redelivery streams that exist, as after a look."""
        listed = redeliveries.read(await self.control.execute_command("SMEMBERS", KEYS.redeliveries))
        await self.reader.open(listed.get(GROUP, ()))

    async def stop(self) -> None:
        self.stopping.set()
        await self.reader.wake()
        if self.task is not None:
            await self.task

    async def close(self) -> None:
        self.stopping.set()
        if self.task is not None and not self.task.done():
            with contextlib.suppress(Exception):
                await self.reader.wake()
            await asyncio.wait((self.task,), timeout=3)
            self.task.cancel()
        await self.subscriber.finish(0)
        self.subscriber.close()
        await self.line.aclose()


@contextlib.asynccontextmanager
async def runtime(url: str, client: Redis, route: Route, consumer: str = "me") -> AsyncIterator[Runtime]:
    """A subscription that can be started, with a running outcome writer."""
    writer = connect(url, "tests:settle", has_term=True)
    try:
        async with settling(writer, consumer) as outcome_writer:
            subscription = Runtime(url, client, outcome_writer, route, consumer)
            try:
                yield subscription
            finally:
                await subscription.close()
    finally:
        await writer.aclose()
