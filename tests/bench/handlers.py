"""The app of the measured worker: an async handler that takes the typed struct and only counts it."""

import os

from hookbus import App
from hookbus.events import ResponseCompleted
from tests.bench.peers.meter import Meter

app = App(os.environ["BENCH_GROUP"])
meter = Meter(int(os.environ["BENCH_EVENTS"]))


@app.on("response.completed")
async def handle(event: ResponseCompleted) -> None:
    """Nothing to do."""
    meter.count()
