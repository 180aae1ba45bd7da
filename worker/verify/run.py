"""One verify run: a worker for a group of its own, events posted to the real endpoint, and a ledger of both.

    sweep earlier runs → start a worker → post the first event alone → post the others → wait → stop the worker →
    query what is missing → remove

The first event decides about the others: when it is refused, they would be too. So is it by an ingest that stores in
another Redis, where the group of the run is not. The run's data in Redis is removed at the end, whatever happens; after
a kill, by the next run.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Final

import aiohttp
import msgspec

from ...shared import health
from ...shared.address import redacted
from ...shared.command import FailedError, Stopping
from ...shared.connection import FAULTS, Redis
from ...shared.keys import Keys
from ...shared.pause import pause
from ...shared.run_names import new_name
from ..api.app import App
from ..api.delivery import Delivery
from ..inventory import registry
from ..pipeline.routes import Group, build
from ..settings import WorkerSettings
from ..supervise import Worker
from . import report, runs
from .ledger import Ledger
from .report import Report
from .send import Plan, Sender

READY_S: Final = 15.0
"""Longest wait for the run's worker to become ready; Redis answered a moment ago."""
POLL_S: Final = 0.02
SHOW_S: Final = 0.1
STORE_S: Final = 6.0
"""For this long after an unanswered post ingest may still store its event: `ingest.enqueue_timeout_s` and a margin."""
FOREVER_S: Final = 1e11

Show = Callable[[Ledger], None]


class Verification:
    """One verify run."""

    def __init__(self, client: Redis, shards: Sequence[Keys], settings: WorkerSettings, plan: Plan, name: str) -> None:
        self._client = client
        self._shards = shards
        self._settings = settings
        self._plan = plan
        self._name = name
        self.ledger = Ledger(name, plan.count)
        self._unanswered_at_s = -float("inf")

    @classmethod
    async def open(cls, client: Redis, settings: WorkerSettings, plan: Plan) -> "Verification":
        """Open a run. Raises FailedError for a Redis that hookbus never used, ConfigError, RedisError, OSError."""
        shards = await registry.shards(client, settings.shards)
        if not shards:
            where = redacted(settings.redis_url)
            raise FailedError(f"{where}: hookbus never used this Redis; does ingest use the same redis_url?")
        return cls(client, shards, settings, plan, new_name(await registry.now_ms(client)))

    async def run(self, wait_s: float, stopping: asyncio.Event, show: Show) -> Report:
        """Run to the end, or until `stopping` is set. Raises FailedError, ConfigError, RedisError, OSError."""
        swept = await runs.sweep(self._client, self._shards)
        try:
            async with self._worker(stopping) as over, _showing(show, self.ledger):
                began_s = time.monotonic()
                await self._post(over)
                await self._until_handled(wait_s, over)
                took_s = time.monotonic() - began_s
            stored, hints = await self._explain_missing(wait_s)
        except BaseException:
            with contextlib.suppress(*FAULTS, FailedError):
                await self._remove()
            raise
        result = report.report(
            self.ledger,
            url=self._plan.to.url,
            took_s=took_s,
            stored=stored,
            hints=[] if stopping.is_set() else hints,  # an interrupted run did not wait for them
            swept=swept,
            is_interrupted=stopping.is_set(),
        )
        try:
            await self._remove()
        except (*FAULTS, FailedError) as error:
            result.left = f"{error or type(error).__name__}; the next verify removes {self._name}"
        return result

    @contextlib.asynccontextmanager
    async def _worker(self, stopping: asyncio.Event) -> AsyncIterator[asyncio.Event]:
        """Run a worker as `hookbus-worker run` does, for the run's group. The event is set when the run must end:
        `stopping` is set, or the worker ended by itself."""
        over, halt = asyncio.Event(), Stopping()
        worker = Worker(self._worker_settings(), [self._group()], "", halt)
        working = asyncio.create_task(worker.run())
        waiting = asyncio.create_task(stopping.wait())
        for task in (working, waiting):
            task.add_done_callback(lambda _: over.set())
        try:
            await _until_ready(worker, over)
            yield over
        finally:
            waiting.cancel()
            halt.set()
            await working

    def _group(self) -> Group:
        app = App(self._name)

        @app.on(self._name, breaker=None)
        async def record(body: bytes, delivery: Delivery) -> None:
            self.ledger.handle(delivery.webhook_id, time.monotonic())

        [group] = build([app], self._settings.handler_timeout_s)
        return group

    def _worker_settings(self) -> WorkerSettings:
        """Settings of a worker that trims nothing: only the deployment's own workers have its retention settings."""
        return msgspec.structs.replace(
            self._settings,
            shards=len(self._shards),
            retention_s=FOREVER_S,
            retention_events=2**53,
            orphan_retention_s=FOREVER_S,
        )

    async def _post(self, over: asyncio.Event) -> None:
        connector = aiohttp.TCPConnector(limit=self._plan.concurrency)
        async with aiohttp.ClientSession(connector=connector) as session:
            sender = Sender(self._plan, self.ledger, session, over)
            try:
                await sender.first()
                await sender.others()
            finally:
                self._unanswered_at_s = sender.unanswered_at_s

    async def _until_handled(self, wait_s: float, over: asyncio.Event) -> None:
        give_up_s = time.monotonic() + wait_s
        while self.ledger.due and not over.is_set() and time.monotonic() < give_up_s:
            await pause(over, POLL_S)

    async def _explain_missing(self, wait_s: float) -> tuple[Collection[str] | None, list[str]]:
        """Return the webhook-ids still stored, None while Redis is unreachable, and hints at the cause."""
        missing = self.ledger.missing()
        try:
            stored = await runs.stored(self._client, self._shards, self._name) if missing else set()
            losses = await runs.losses(self._client, self._shards, self._name)
        except FAULTS as error:
            return None, [f"Redis cannot be queried for missing events: {error or type(error).__name__}"]
        return stored, report.hints(missing, stored, losses=losses, wait_s=wait_s)

    async def _remove(self) -> None:
        if (wait_s := self._unanswered_at_s + STORE_S - time.monotonic()) > 0:
            await asyncio.sleep(wait_s)
        await runs.remove(self._client, self._shards, self._name)


@contextlib.asynccontextmanager
async def _showing(show: Show, ledger: Ledger) -> AsyncIterator[None]:
    async def tick() -> None:
        while True:
            show(ledger)
            await asyncio.sleep(SHOW_S)

    task = asyncio.create_task(tick())
    try:
        yield
    finally:
        task.cancel()
        show(ledger)


async def _until_ready(worker: Worker, over: asyncio.Event) -> None:
    give_up_s = time.monotonic() + READY_S
    while (reason := worker.readiness()) != health.READY and not over.is_set():
        if time.monotonic() > give_up_s:
            raise FailedError(f"the worker of this run did not become ready: {reason}")
        await pause(over, POLL_S)
