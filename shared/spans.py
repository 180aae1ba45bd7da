"""OpenTelemetry spans by the conventions for messaging: a name, attributes, and the context that is stored in `tp`.

https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/ - still "Development", so deploy/MONITORING.md
pins what hookbus writes. Nothing here is on the path of a program without a provider.
"""

import sys
from typing import TYPE_CHECKING, Final

from .release import VERSION

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext, Tracer

NAME: Final = "hookbus"
"""Of the instrumentation, and of the messaging system."""


def tracer() -> "Tracer | None":
    """A tracer if this process has a provider, as `opentelemetry-instrument` sets one before a program starts."""
    if "opentelemetry.trace" not in sys.modules:  # a provider can't be set without it: spare the import
        return None
    from opentelemetry import trace

    provider = trace.get_tracer_provider()
    return None if isinstance(provider, trace.ProxyTracerProvider) else provider.get_tracer(NAME, VERSION)


def attributes(operation: str, event_type: str, webhook_id: str, source: str, body: bytes) -> dict[str, str | int]:
    """The attributes that the spans of both programs have. `operation` is `send` or `process`."""
    return {
        "messaging.system": NAME,
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": event_type,
        "messaging.message.id": webhook_id,
        "messaging.message.body.size": len(body),
        "hookbus.source": source,
    }


def context_of(traceparent: str) -> "SpanContext":
    """The span that a `traceparent` names; an invalid one for "" (https://www.w3.org/TR/trace-context/)."""
    from opentelemetry.context import Context
    from opentelemetry.trace import get_current_span
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    extracted = TraceContextTextMapPropagator().extract({"traceparent": traceparent}, Context())
    return get_current_span(extracted).get_span_context()


def traceparent_of(context: "SpanContext") -> str:
    """The `traceparent` that names a span."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
