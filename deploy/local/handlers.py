"""Example handlers, as in a service of your own. `make up` runs both groups:

    hookbus-worker run deploy.local.handlers:billing deploy.local.handlers:audit

A group gets every event that it subscribes to, independent of other groups. An event is handled when its handler
returns, and delivered again later when the handler raises.
"""

import logging

from hookbus import App, Delivery, Reject, Retry
from hookbus.events import Event, RealtimeCallIncoming, ResponseCompleted, ResponseFailed

log = logging.getLogger(__name__)

billing = App("billing")


@billing.on("response.completed")
async def charge(event: ResponseCompleted, delivery: Delivery) -> None:
    """The usual case. Payloads are thin: fetch the response by its id, then record its cost."""
    log.info("billing: charge for %s (%s)", event.data.id, delivery.webhook_id)


@billing.on("response.failed", retry=Retry(attempts=3, base=0.5))
async def refund(event: ResponseFailed, delivery: Delivery) -> None:
    """Always fails: after three attempts the event is a dead letter. Inspect it with `hookbus-worker dlq`."""
    raise ConnectionError(f"the refund desk is closed (attempt {delivery.attempt} for {event.data.id})")


@billing.on("realtime.call.incoming", timeout=5, max_age=20, retry=Retry(attempts=3, base=0.2))
async def answer(event: RealtimeCallIncoming) -> None:
    """A call rings for seconds: an event older than `max_age` is useless, and becomes a dead letter at once."""
    if event.data.sip_media_security != "srtp":
        raise Reject("we take no unencrypted calls")
    log.info("billing: answer the call %s", event.data.call_id)


audit = App("audit")


@audit.on("*")
def note(event: Event, delivery: Delivery) -> None:
    """All types, including those that this release does not model. A plain function runs in a thread and may block."""
    log.info("audit: %s, attempt %d, %s", event.type, delivery.attempt, delivery.event_id)
