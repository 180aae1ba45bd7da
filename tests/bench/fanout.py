"""Ten groups that each handle every event, for one worker process. It counts the deliveries of all that it runs."""

import os

from hookbus import App
from hookbus.events import ResponseCompleted
from tests.bench.peers.meter import Meter

GROUPS = tuple(f"fan{number}" for number in range(10))
meter = Meter(int(os.environ.get("BENCH_EVENTS", "1")))


def app(group: str) -> App:
    """A group that does nothing."""
    app = App(group)

    @app.on("response.completed")
    async def handle(event: ResponseCompleted) -> None:
        meter.count()

    return app


globals().update({group: app(group) for group in GROUPS})
