"""Attempts with functions around their handler."""

import contextvars
import threading

from hookbus import App, Delivery
from hookbus.worker.pipeline.process import Caller, process
from hookbus.worker.pipeline.routes import build
from tests.worker.builders import GROUP, TYPE, a_delivery

seen: contextvars.ContextVar[str] = contextvars.ContextVar("seen", default="nothing")


async def outcome_of(around, handler, **options):
    app = App(GROUP, around=around)
    app.on(TYPE, **options)(handler)
    route = build([app], 30.0)[0].routes[0]
    caller = Caller(route, 4)
    try:
        return await process(a_delivery(), route, caller)
    finally:
        caller.close()


class Log:
    """What ran, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def around(self, name):
        async def function(call, event, delivery):
            self.lines.append(f"{name} begins")
            await call()
            self.lines.append(f"{name} ends")

        return function

    async def handle(self, event: dict, delivery: Delivery) -> None:
        self.lines.append("handler")

    def plain(self, event: dict) -> None:
        self.lines.append(f"{seen.get()} in a thread: {threading.current_thread() is not threading.main_thread()}")
