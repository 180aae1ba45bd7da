"""`ingest.health_path`: health on the webhook port."""

import asyncio

import prometheus_client
import pytest

from tests.ingest.serving import hang_up, serving, signed
from tests.programs import Ingest

PROBE = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


def requests_counted() -> float:
    families = prometheus_client.REGISTRY.collect()
    samples = [sample for family in families for sample in family.samples]
    return sum(sample.value for sample in samples if sample.name == "hookbus_ingest_requests_total")


async def test_get_and_head_answer_what_readyz_does_and_count_as_no_request(redis_url):
    async with serving(redis_url, health_path="/health") as ingest:
        before = requests_counted()
        async with (
            ingest.session.get(ingest.ops + "/readyz") as expected,
            ingest.session.get(ingest.base + "/health?from=lb") as response,
        ):
            assert (response.status, await response.json()) == (200, await expected.json())
        async with ingest.session.head(ingest.base + "/health") as response:
            assert (response.status, await response.read()) == (200, b"")
        assert requests_counted() == before
        assert not ingest.logged("refused")
        assert await ingest.execute(signed()) == (200, {"status": "accepted"})
        assert requests_counted() == before + 1


@pytest.mark.parametrize("options", [{}, {"health_path": "/other"}], ids=["off", "elsewhere"])
async def test_health_path_unset_or_elsewhere_leaves_health_a_404(redis_url, options):
    async with serving(redis_url, **options) as ingest, ingest.session.get(ingest.base + "/health") as response:
        assert response.status == 404


async def test_other_methods_are_refused_like_any_unknown_path(redis_url):
    async with serving(redis_url, health_path="/health") as ingest:
        assert await ingest.execute(signed(), path="/health") == (404, {"error": "unknown_endpoint"})


async def test_a_probe_connection_gives_way_to_the_next_connection(redis_url):
    async with serving(redis_url, health_path="/health", max_connections=1) as ingest:
        reader, writer = await asyncio.open_connection("127.0.0.1", ingest.port)
        writer.write(PROBE)
        assert b" 200 " in await reader.readuntil(b"}")
        assert await ingest.execute(signed()) == (200, {"status": "accepted"})
        await reader.read()  # it ends
        await hang_up(writer)


async def test_while_draining_the_probe_gets_the_reason(redis_url):
    with Ingest(redis_url, HOOKBUS_INGEST_HEALTH_PATH="/health", HOOKBUS_INGEST_DRAIN_DELAY_S="60") as ingest:
        await ingest.until_healthy()
        ingest.process.terminate()
        await ingest.until_logged("draining")
        reader, writer = await asyncio.open_connection("127.0.0.1", ingest.port)
        writer.write(PROBE)
        answer = await reader.read()
        await hang_up(writer)
    assert b" 503 " in answer.splitlines()[0]
    assert b'"reason": "draining"' in answer
    assert b"connection: close" in answer.lower()
