"""OpenTelemetry in a worker: `App("billing", around=[traced])`. Needs the extra: `pip install 'hookbus[otel]'`.

Each attempt is a CONSUMER span in a trace of its own, linked to the span by which ingest stored the event: attempts of
the same event may be hours apart.
"""

from typing import Any, Final

try:
    from opentelemetry import trace
    from opentelemetry.context import Context
    from opentelemetry.trace import Link, Span, SpanKind, StatusCode
except ModuleNotFoundError as error:
    raise ImportError(f"hookbus.otel: {error.name} is missing: pip install 'hookbus[otel]'") from None

from .shared import spans
from .shared.entry import ERROR_CHARS
from .shared.release import VERSION
from .shared.traced import name_of, text_of, trace_of
from .worker.api.around import Call, has_timed_out
from .worker.api.decision import Hold, Pause, RetryLater, deciding
from .worker.api.delivery import Delivery

__all__ = ["traced"]

NO_FAILURES: Final = (RetryLater, Hold, Pause)

_tracer = trace.get_tracer(spans.NAME, VERSION)
"""Without a provider its spans are none; one may be set later."""


async def traced(call: Call, event: Any, delivery: Delivery[Any]) -> None:
    """Run the handler within a span. For `App(around=[traced])`."""
    sent = spans.context_of(delivery.traceparent)
    common = spans.attributes("process", delivery.type, delivery.webhook_id, delivery.source, delivery.body)
    with _tracer.start_as_current_span(
        f"process {delivery.type}",
        context=Context(),
        kind=SpanKind.CONSUMER,
        attributes=common | {"messaging.consumer.group.name": delivery.group, "hookbus.attempt": delivery.attempt},
        links=[Link(sent)] if sent.is_valid else [],
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            await call()
        except BaseException as error:
            _record(span, error)
            raise


def _record(span: Span, error: BaseException) -> None:
    """The span's own `record_exception` formats the error, which may raise."""
    decision = deciding(error)
    if decision.request is not None:
        span.set_attribute("hookbus.request", decision.request.__name__)
        if decision.request in NO_FAILURES:
            return
    kind = TimeoutError.__name__ if has_timed_out(error) else name_of(type(decision.error))
    span.set_attribute("error.type", kind)
    span.set_status(StatusCode.ERROR)
    span.add_event(
        "exception",
        {
            "exception.type": kind,
            "exception.message": text_of(decision.error, ERROR_CHARS),
            "exception.stacktrace": trace_of(error),
        },
    )
