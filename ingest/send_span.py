"""A PRODUCER span around the storing of an event: the child of the request's `traceparent`, and what the workers' spans
link to, since its context is stored in the place of the sender's."""

from collections.abc import Awaitable, Callable

import msgspec
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanKind, StatusCode, Tracer, set_span_in_context

from ..shared import spans
from .commit import Received
from .refusal import Refusal


async def sent(tracer: Tracer, event: Received, store: Callable[[Received], Awaitable[bool]]) -> bool:
    """Store an event within its span; True when new. Raises Refusal."""
    parent = spans.context_of(event.traceparent)
    with tracer.start_as_current_span(
        f"send {event.event_type}",
        context=set_span_in_context(NonRecordingSpan(parent), Context()),
        kind=SpanKind.PRODUCER,
        attributes=spans.attributes("send", event.event_type, event.webhook_id, event.source, event.body),
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        context = span.get_span_context()
        if context.is_valid:
            event = msgspec.structs.replace(event, traceparent=spans.traceparent_of(context))
        try:
            is_new = await store(event)
        except Refusal as refusal:
            span.set_attribute("error.type", refusal.code)
            span.set_status(StatusCode.ERROR)
            raise
        span.set_attribute("hookbus.outcome", "accepted" if is_new else "duplicate")
        return is_new
