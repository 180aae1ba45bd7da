"""A group for each of the five questions, with an event type of its own, and the same handler as all subjects."""

from typing import Final

from hookbus import App, Delivery, Retry
from tests.peers.job import perform
from tests.peers.peer import ATTEMPTS, CONCURRENCY, RETRY_S, TIMEOUT_S

TYPES: Final = {
    "undecodable": "untyped",
    "failing": "response.failed",
    "killing": "response.completed",
    "lasting": "batch.completed",
    "beside": "batch.failed",
}
"""The type of each question, whose name is that of its group. An event that is no JSON has no type."""


def subscribed(group: str, event_type: str) -> App:
    """An app whose handler performs its jobs."""
    app = App(group)

    @app.on(
        event_type, concurrency=CONCURRENCY, timeout=TIMEOUT_S, retry=Retry(attempts=ATTEMPTS, base=RETRY_S, factor=1)
    )
    async def answer(event: dict, delivery: Delivery) -> None:
        await perform(delivery.group, delivery.webhook_id, str(event["data"]["word"]), delivery.attempt)

    return app


undecodable, failing, killing, lasting, beside = (subscribed(group, kind) for group, kind in TYPES.items())
