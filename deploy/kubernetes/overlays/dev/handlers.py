"""Handlers to try: what comes in is logged."""

import logging

from hookbus import App, Delivery
from hookbus.events import Event, ResponseCompleted

log = logging.getLogger(__name__)

billing = App("billing")
audit = App("audit")


@billing.on("response.completed")
async def charge(event: ResponseCompleted, delivery: Delivery) -> None:
    """One type, with what OpenAI documents of it."""
    log.info("billing: charge for %s (%s)", event.data.id, delivery.webhook_id)


@audit.on("*")
def note(event: Event, delivery: Delivery) -> None:
    """Everything, also types that this release does not know."""
    log.info("audit: %s, attempt %d", event.type, delivery.attempt)
