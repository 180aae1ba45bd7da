"""Example handlers, as a service of your own would have them. `make up` runs both groups:

    hookbus-worker run deploy.local.handlers:billing deploy.local.handlers:audit

A group sees every event that it subscribes to, whatever other groups do with it. A handler that returns has handled
the event; one that raises sees it again later.
"""

import logging

from hookbus import App, Delivery, Reject, Retry
from hookbus.events import Event, RealtimeCallIncoming, ResponseCompleted, ResponseFailed

log = logging.getLogger(__name__)

billing = App("billing")


@billing.on("response.completed")
async def charge(event: ResponseCompleted, delivery: Delivery) -> None:
    """The usual case. Payloads are thin: fetch the response by its id, then write down what it cost."""
    log.info("billing: charge for %s (%s)", event.data.id, delivery.webhook_id)


@billing.on("response.failed", retry=Retry(attempts=3, base=0.5))
async def refund(event: ResponseFailed, delivery: Delivery) -> None:
    """Always fails: after three attempts it is a dead letter, for you to try `hookbus-worker dlq` on."""
    raise ConnectionError(f"the refund desk is closed (attempt {delivery.attempt} for {event.data.id})")


@billing.on("realtime.call.incoming", timeout=5, max_age=20, retry=Retry(attempts=3, base=0.2))
async def answer(event: RealtimeCallIncoming) -> None:
    """A call rings for seconds: an event older than `max_age` is of no use, and becomes a dead letter at once."""
    if event.data.sip_media_security != "srtp":
        raise Reject("we take no unencrypted calls")
    log.info("billing: answer the call %s", event.data.call_id)


audit = App("audit")


@audit.on("*")
def note(event: Event, delivery: Delivery) -> None:
    """Everything, also types that this release does not know. A plain function runs in a thread and may block."""
    log.info("audit: %s, attempt %d, %s", event.type, delivery.attempt, delivery.event_id)
