"""OpenTelemetry through the bus, with the real programs and the SDK's exporter."""

import json
import subprocess
import sys

import aiohttp
import pytest

from tests import pages
from tests.end_to_end.tracing import PROVIDER
from tests.programs import Ingest, Worker, event_body, signed
from tests.wait import until

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"
APPS = ("tests.end_to_end.tracing:billing", "tests.end_to_end.tracing:audit")


class Spans:
    """The spans that the programs of a test have ended, and the variables that make them write these."""

    def __init__(self, folder) -> None:
        (folder / "site").mkdir()
        (folder / "site" / "sitecustomize.py").write_text(PROVIDER)
        self._file = folder / "spans"
        self.environ = {
            "SPANS": str(self._file), "PYTHONPATH": str(folder / "site"), "DIED": str(folder / "died"),
        }  # fmt: skip

    def named(self, name: str) -> list[dict]:
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        return [span for span in map(json.loads, lines) if span["name"] == name]

    async def until_named(self, name: str, count: int) -> list[dict]:
        return await until(lambda: found if len(found := self.named(name)) >= count else None)


@pytest.fixture
def spans(tmp_path) -> Spans:
    return Spans(tmp_path)


async def post(ingest: Ingest, event_type: str, traceparent: str = TRACEPARENT) -> None:
    body = event_body(event_type)
    headers = signed(f"wh_{event_type}", body) | ({"traceparent": traceparent} if traceparent else {})
    async with (
        aiohttp.ClientSession() as session,
        session.post(ingest.url, data=body, headers=headers) as answer,
    ):
        assert answer.status == 200


def links(span: dict) -> list[str]:
    return [link["context"]["span_id"] for link in span["links"]]


async def test_a_post_is_a_child_of_its_request_and_every_attempt_of_every_group_links_to_it(redis_url, spans):
    with Ingest(redis_url, **spans.environ) as ingest, Worker(redis_url, *APPS, **spans.environ) as worker:
        await ingest.until_healthy()
        await worker.until_working()
        await post(ingest, "response.completed")
        await post(ingest, "response.completed")
        processed = await spans.until_named("process response.completed", 2)
        sent, again = await spans.until_named("send response.completed", 2)
        assert (sent["context"]["trace_id"], sent["parent_id"]) == (f"0x{TRACE}", f"0x{SPAN}")
        assert sent["kind"] == "SpanKind.PRODUCER"
        outcomes = [span["attributes"]["hookbus.outcome"] for span in (sent, again)]
        assert outcomes == ["accepted", "duplicate"]
        assert {span["attributes"]["messaging.consumer.group.name"] for span in processed} == {"billing", "audit"}
        assert {span["kind"] for span in processed} == {"SpanKind.CONSUMER"}
        assert [links(span) for span in processed] == [[sent["context"]["span_id"]]] * 2
        assert len({span["context"]["trace_id"] for span in (sent, *processed)}) == 3
        assert {span["parent_id"] for span in processed} == {None}


async def test_attempts_after_a_park_a_snooze_and_a_kill_link_to_the_same_span(redis_url, spans):
    with Ingest(redis_url, **spans.environ) as ingest, Worker(redis_url, APPS[0], **spans.environ) as worker:
        await ingest.until_healthy()
        await worker.until_working()
        for event_type in ("response.failed", "response.incomplete"):
            await post(ingest, event_type)
            (sent,) = await spans.until_named(f"send {event_type}", 1)
            attempts = await spans.until_named(f"process {event_type}", 2)
            assert [links(span) for span in attempts] == [[sent["context"]["span_id"]]] * 2
            assert [span["attributes"]["hookbus.attempt"] for span in attempts] == [1, 2]
        (failed, _) = spans.named("process response.failed")
        assert (failed["status"]["status_code"], failed["attributes"]["error.type"]) == ("ERROR", "ValueError")
        assert "not yet" in failed["events"][0]["attributes"]["exception.stacktrace"]
        (snoozed, _) = spans.named("process response.incomplete")
        assert (snoozed["status"]["status_code"], snoozed["attributes"]["hookbus.request"]) == ("UNSET", "RetryLater")
        await post(ingest, "batch.failed", traceparent="")
        await worker.until_ended()
        with Worker(redis_url, APPS[0], **spans.environ):
            (attempt,) = await spans.until_named("process batch.failed", 1)
        (sent,) = spans.named("send batch.failed")
        assert sent["parent_id"] is None
        assert links(attempt) == [sent["context"]["span_id"]]
        documented = pages.section(pages.MONITORING, "Traces")
        for span in (sent, attempt, failed, snoozed):
            assert [name for name in span["attributes"] if f"`{name}`" not in documented] == []


@pytest.mark.parametrize("before", ["sys.modules['opentelemetry'] = None", "import opentelemetry.trace"])
def test_without_the_api_or_a_provider_both_programs_work_and_trace_nothing(before):
    script = f"import sys; {before}; import hookbus.client, hookbus.ingest.app, hookbus.worker.run"
    check = "from hookbus.ingest.receive import _sent_in_span as sent; assert sent() is None"
    subprocess.run([sys.executable, "-c", f"{script}; {check}"], check=True)
