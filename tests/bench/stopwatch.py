"""Handlers that record their time of entry: ns of CLOCK_MONOTONIC, which all processes of a machine share.

An event whose webhook-id begins with `TELL` makes them print the recorded times in one line and clear them.
"""

import json
import sys
import time
from typing import Final

from hookbus import App, Delivery
from hookbus.events import ResponseCompleted

TELL: Final = "tell"


class Notes:
    """Webhook-id → time of arrival."""

    def __init__(self) -> None:
        self._at_ns: dict[str, int] = {}

    def note(self, webhook_id: str, at_ns: int) -> None:
        """Record the arrival, or print all recorded times."""
        if webhook_id.startswith(TELL):
            sys.stdout.write(json.dumps({"event": "noted", "asked": webhook_id, "at_ns": self._at_ns}) + "\n")
            self._at_ns = {}
        else:
            self._at_ns[webhook_id] = at_ns


app = App("bench")
notes = Notes()


@app.on("response.completed")
async def handle(event: ResponseCompleted, delivery: Delivery) -> None:
    """Read the clock first."""
    at_ns = time.monotonic_ns()
    notes.note(delivery.webhook_id, at_ns)
