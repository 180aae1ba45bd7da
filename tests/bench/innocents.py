"""A handler of three seconds, which tells when it begins and ends."""

import asyncio
import json

from hookbus import App, Delivery

TAKES_S = 3.0
app = App("bench")


def tell(event: str, delivery: Delivery) -> None:
    """Print a line."""
    print(json.dumps({"event": event, "id": delivery.webhook_id}), flush=True)


@app.on("response.completed")
async def handle(event: dict, delivery: Delivery) -> None:
    """Wait."""
    tell("began", delivery)
    await asyncio.sleep(TAKES_S)
    tell("ended", delivery)
