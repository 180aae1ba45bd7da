"""A whole worker in a task of the test's process."""

import asyncio
import contextlib

from hookbus import App, Delivery
from hookbus.shared.address import RedisUrl
from hookbus.shared.command import Stopping
from hookbus.worker import shutdown
from hookbus.worker.pipeline.routes import build
from hookbus.worker.pipeline.settle import OutcomeWriter
from hookbus.worker.settings import WorkerSettings
from hookbus.worker.shutdown import Shutdown
from hookbus.worker.supervise import Worker
from tests.wait import until
from tests.worker.builders import GROUP, TYPE, Handler


class Running:
    """A worker that runs in a task of this process."""

    def __init__(self, url: str, *apps: App, only: str = "", **settings) -> None:
        defaults = {"redis_url": RedisUrl(url), "handler_timeout_s": 30.0}
        self.stopping = Stopping()
        configured = WorkerSettings(**{**defaults, "grace_period_s": 40.0, **settings})
        self.worker = Worker(configured, build(apps, configured.handler_timeout_s), only, self.stopping)
        self.consumer = self.worker._consumer.name
        self.task = asyncio.create_task(self.worker.run())

    async def stop(self) -> None:
        self.stopping.set()
        await self.task


@contextlib.asynccontextmanager
async def running(url: str, *apps: App, only: str = "", **settings):
    found = Running(url, *apps, only=only, **settings)
    try:
        await until(lambda: found.worker.readiness() == "" or found.task.done())
        yield found
    finally:
        found.stopping.set()
        await asyncio.gather(found.task, return_exceptions=True)


def app_of(handler: Handler, pattern: str = TYPE, **options) -> App:
    app = App(GROUP)

    @app.on(pattern, **options)
    async def handle(event: dict, delivery: Delivery) -> None:
        await handler(event, delivery)

    return app


def break_at_the_finish(monkeypatch, outcome_writer: OutcomeWriter, handler: Handler) -> None:
    """Have the outcome of a handler break the writer, after the duties of the process have ended."""
    finish = Shutdown.finish

    async def breaks(batch: object) -> None:
        raise RuntimeError("a bug of ours")

    async def broken(self: Shutdown, grace_s: float) -> int:
        monkeypatch.setattr(outcome_writer, "_write", breaks)
        handler.go()
        return await finish(self, grace_s)

    monkeypatch.setattr(shutdown, "WRITE_GRACE_S", 0.5)
    monkeypatch.setattr(Shutdown, "finish", broken)
