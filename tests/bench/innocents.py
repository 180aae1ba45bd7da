"""A handler of three seconds, which tells when it begins and ends, and beside it one that records its time of entry."""

import asyncio
import json
import sys
import time

from hookbus import App, Delivery
from tests.bench.stopwatch import Notes

TAKES_S = 3.0
HEALTHY = "batch.completed"
"""The type that no worker died with."""
app = App("bench")
notes = Notes()


def tell(event: str, delivery: Delivery) -> None:
    """Print a line."""
    sys.stdout.write(json.dumps({"event": event, "id": delivery.webhook_id}) + "\n")


@app.on("response.completed")
async def handle(event: dict, delivery: Delivery) -> None:
    """Wait."""
    tell("began", delivery)
    await asyncio.sleep(TAKES_S)
    tell("ended", delivery)


@app.on(HEALTHY)
async def record(event: dict, delivery: Delivery) -> None:
    """Read the clock."""
    notes.note(delivery.webhook_id, time.monotonic_ns())
