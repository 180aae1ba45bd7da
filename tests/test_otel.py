"""What the span of an attempt says about its end."""

import asyncio
import importlib
import sys

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from hookbus import App, Reject, RetryLater, otel
from hookbus.otel import traced
from hookbus.testing import Bus, sample

TYPE = "response.completed"


@pytest.fixture
def exporter(monkeypatch) -> InMemorySpanExporter:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(otel, "_tracer", provider.get_tracer("tests"))
    return exporter


async def span_of(exporter: InMemorySpanExporter, handler) -> tuple[StatusCode, dict, list[str]]:
    """Status, attributes, and the types of the exceptions in the span of one attempt."""
    app = App("billing", around=[traced])
    app.on(TYPE, timeout=0.05)(handler)
    async with Bus(app) as bus:
        await bus.deliver(TYPE, sample(TYPE))
    (span,) = exporter.get_finished_spans()
    return span.status.status_code, dict(span.attributes), [each.attributes["exception.type"] for each in span.events]


async def late(event) -> None:
    await asyncio.sleep(30)


async def late_in_a_task(event) -> None:
    await asyncio.create_task(asyncio.sleep(30))


async def late_in_a_group(event) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.sleep(30))


@pytest.mark.parametrize("handler", [late, late_in_a_task, late_in_a_group])
async def test_an_attempt_that_ran_out_of_time_is_a_timeout(exporter, handler):
    status, attributes, exceptions = await span_of(exporter, handler)
    assert (status, attributes["error.type"], exceptions) == (StatusCode.ERROR, "TimeoutError", ["TimeoutError"])


async def test_another_cancellation_is_none(exporter):
    async def cancels_itself(event) -> None:
        raise asyncio.CancelledError

    status, attributes, exceptions = await span_of(exporter, cancels_itself)
    assert (status, attributes["error.type"], exceptions) == (StatusCode.ERROR, "CancelledError", ["CancelledError"])


async def test_a_reject_is_an_error_that_the_handler_asked_for(exporter):
    async def reject(event) -> None:
        raise Reject("never")

    status, attributes, exceptions = await span_of(exporter, reject)
    assert (status, attributes["hookbus.request"], attributes["error.type"]) == (StatusCode.ERROR, "Reject", "Reject")
    assert exceptions == ["Reject"]


async def test_what_the_handler_puts_off_is_no_error(exporter):
    async def later(event) -> None:
        raise RetryLater(5)

    status, attributes, exceptions = await span_of(exporter, later)
    assert (status, attributes["hookbus.request"], exceptions) == (StatusCode.UNSET, "RetryLater", [])
    assert "error.type" not in attributes


def test_without_the_extra_its_import_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "hookbus.otel")
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ImportError, match=r"opentelemetry is missing: pip install 'hookbus\[otel\]'"):
        importlib.import_module("hookbus.otel")
