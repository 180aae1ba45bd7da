"""Handlers that note when they were entered: ns of CLOCK_MONOTONIC, which all processes of a machine share.

Every `BENCH_EVENTS` events they print what they noted, one line.
"""

import json
import os
import time

from shared.events import ResponseCompleted
from worker import App, Delivery


class Notes:
    """Webhook-id → when."""

    def __init__(self, events: int) -> None:
        self._events = events
        self._at_ns: dict[str, int] = {}

    def note(self, webhook_id: str, at_ns: int) -> None:
        """It was there at that time."""
        self._at_ns[webhook_id] = at_ns
        if len(self._at_ns) == self._events:
            print(json.dumps({"event": "noted", "at_ns": self._at_ns}), flush=True)
            self._at_ns = {}


app = App("bench")
notes = Notes(int(os.environ.get("BENCH_EVENTS", "1")))


@app.on("response.completed")
async def handle(event: ResponseCompleted, delivery: Delivery) -> None:
    """Look at the clock first."""
    at_ns = time.monotonic_ns()
    notes.note(delivery.webhook_id, at_ns)
