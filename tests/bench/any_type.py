"""One group that subscribes to every type, with a handler that only counts."""

import os

from hookbus import App
from tests.bench.peers.meter import Meter

app = App("bench")
meter = Meter(int(os.environ.get("BENCH_EVENTS", "1")))


@app.on("*")
async def handle(event: dict) -> None:
    """Nothing to do."""
    meter.count()
