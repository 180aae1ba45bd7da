"""A factory of an app whose handlers are no plain functions."""

import functools
import os

from hookbus import App, Delivery
from tests.end_to_end.handlers import record, recorder


class Service:
    """Records the pid of its process with each event."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def method(self, event: dict, delivery: Delivery) -> None:
        await self(event, delivery)

    async def __call__(self, event: dict, delivery: Delivery) -> None:
        recorder.set(f"test:pid:{delivery.webhook_id}", os.getpid())
        record(delivery, self.name)


def partly(service: Service, event: dict, delivery: Delivery) -> None:
    recorder.set(f"test:pid:{delivery.webhook_id}", os.getpid())
    record(delivery, service.name)


def make() -> App:
    app = App("made")
    app.on("response.completed")(Service("object"))
    app.on("response.failed")(Service("method").method)
    app.on("response.cancelled")(functools.partial(partly, Service("partial")))
    return app
