import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from hookbus.shared import spans

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_traceparent_is_read_and_written_unchanged():
    context = spans.context_of(TRACEPARENT)
    assert context.is_valid
    assert context.is_remote
    assert spans.traceparent_of(context) == TRACEPARENT


@pytest.mark.parametrize("text", ["", "garbage", TRACEPARENT.replace("b7ad6b7169203331", "0" * 16)])
def test_what_names_no_span_is_invalid(text):
    assert not spans.context_of(text).is_valid


def test_there_is_a_tracer_only_with_a_provider(monkeypatch):
    assert spans.tracer() is None
    provider = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    tracer = spans.tracer()
    assert tracer is not None
    with tracer.start_as_current_span("x") as span:
        assert span.is_recording()
