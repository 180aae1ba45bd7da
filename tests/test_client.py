"""`Publisher` against the real ingest, and against receivers that answer what ingest never does."""

import asyncio
import itertools
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from aiohttp import web

from hookbus.client import Published, Publisher, PublishError
from hookbus.ingest.enqueue import Queue
from hookbus.shared import backoff, clock
from tests.answering import answer, answering, receiving
from tests.ingest.serving import SHARD, entries
from tests.ingest.test_measures import sample
from tests.programs import free_port
from tests.publishing import SECRET, STORED, TYPE, publishing
from tests.wait import until

OTHER = "whsec_" + "b3RoZXItb3RoZXItb3RoZXItbw=="


@pytest.fixture(autouse=True)
def waits(monkeypatch) -> list[float]:
    """The waits between attempts, of which each takes a tenth."""
    waits: list[float] = []

    def shorter(wait_s: float) -> float:
        waits.append(wait_s)
        return wait_s / 10

    monkeypatch.setattr(backoff, "jittered_s", shorter)
    return waits


async def test_a_published_event_is_stored_in_an_envelope_like_openais(redis_url, client):
    @dataclass
    class Order:
        number: int
        paid_at: datetime

    before = int(time.time())
    async with publishing(redis_url) as publisher:
        published = await publisher.publish(TYPE, Order(7, datetime(2026, 1, 2, tzinfo=UTC)))
    (entry,) = await entries(client, STORED)
    assert entry[b"id"].decode() == published.id
    assert entry[b"src"] == b"shop"
    body = json.loads(entry[b"body"])
    assert before <= body.pop("created_at") <= time.time()
    assert body == {
        "id": published.id,
        "type": TYPE,
        "data": {"number": 7, "paid_at": "2026-01-02T00:00:00Z"},
    }
    assert not published.is_duplicate


async def test_an_event_with_the_same_id_is_stored_once(redis_url, client):
    async with publishing(redis_url) as publisher:
        assert await publisher.publish(TYPE, {}, id="order-7") == Published("order-7", is_duplicate=False)
        assert await publisher.publish(TYPE, {}, id="order-7") == Published("order-7", is_duplicate=True)
    assert len(await entries(client, STORED)) == 1


async def test_events_without_an_id_get_their_own(redis_url, client):
    async with publishing(redis_url) as publisher:
        ids = {(await publisher.publish(TYPE, {})).id for _ in range(3)}
    assert len(ids) == len(await entries(client, STORED)) == 3


async def test_a_refused_connection_is_tried_again_until_ingest_listens(redis_url, client, waits):
    port = free_port()
    async with Publisher(f"http://127.0.0.1:{port}/webhooks/shop", SECRET, attempts=100) as publisher:
        publish = asyncio.create_task(publisher.publish(TYPE, {}))
        await until(lambda: len(waits) >= 2)
        async with publishing(redis_url, port=port):
            assert not (await publish).is_duplicate
    assert len(await entries(client, STORED)) == 1


async def test_a_503_is_tried_again_until_the_event_is_stored(redis_url, client, waits):
    await client.set(SHARD.stream(STORED), "something else")
    async with publishing(redis_url) as publisher:
        publish = asyncio.create_task(publisher.publish(TYPE, {}))
        await until(lambda: waits)
        await client.delete(SHARD.stream(STORED))
        assert not (await publish).is_duplicate
    assert len(await entries(client, STORED)) == 1


async def test_a_wrong_secret_fails_at_once(redis_url, client):
    async with publishing(redis_url, secret=OTHER) as publisher:
        with pytest.raises(PublishError, match="order-7: 401 signature_mismatch, attempt 1") as raised:
            await publisher.publish(TYPE, {}, id="order-7")
    error = raised.value
    assert (error.id, error.status, error.code, error.attempts) == ("order-7", 401, "signature_mismatch", 1)
    assert await entries(client, STORED) == []


async def test_nobody_at_the_address_fails_after_the_last_attempt():
    async with Publisher(f"http://127.0.0.1:{free_port()}/", SECRET, attempts=3) as publisher:
        with pytest.raises(PublishError, match=r"no_connection \(Connection refused\), attempt 3") as raised:
            await publisher.publish(TYPE, {})
    assert (raised.value.status, raised.value.code) == (0, "no_connection")


@pytest.mark.parametrize("first", [408, 429, 500, 502, 503])
async def test_answers_that_may_pass_are_tried_again_with_a_fresh_signature(first, monkeypatch):
    monkeypatch.setattr(clock, "now_s", itertools.count(1_000).__next__)
    async with (
        answering(answer(first), None, answer(200, "duplicate")) as (url, requests),
        Publisher(url, SECRET) as publisher,
    ):
        published = await publisher.publish(TYPE, {})
    assert published.is_duplicate
    assert [request.headers["webhook-id"] for request in requests] == [published.id] * 3
    assert [request.headers["webhook-timestamp"] for request in requests] == ["1001", "1002", "1003"]


@pytest.mark.parametrize(
    "refusal", [(400, "timestamp_stale"), (404, "unknown_endpoint"), (413, "body_too_large"), (302, "")]
)
async def test_other_answers_are_final(refusal):
    async with answering(answer(*refusal)) as (url, requests), Publisher(url, SECRET) as publisher:
        with pytest.raises(PublishError) as raised:
            await publisher.publish(TYPE, {})
    assert (raised.value.status, raised.value.code, len(requests)) == (*refusal, 1)


async def test_a_200_of_another_server_is_no_success():
    async with answering(answer(200)) as (url, _), Publisher(url, SECRET) as publisher:
        with pytest.raises(PublishError, match=r"200 \(the answer is not that of hookbus-ingest\), attempt 1"):
            await publisher.publish(TYPE, {})


async def test_a_receiver_that_asks_for_time_gets_it():
    async with (
        answering(answer(503, **{"Retry-After": "1"}), answer(200, "accepted")) as (url, _),
        Publisher(url, SECRET) as publisher,
    ):
        began = time.monotonic()
        await publisher.publish(TYPE, {})
        assert time.monotonic() - began > 0.99


async def test_an_attempt_without_an_answer_ends_at_its_timeout():
    async def silent(reader, writer):
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with Publisher(f"http://127.0.0.1:{port}/", SECRET, timeout=0.1, attempts=2) as publisher:
            async with asyncio.timeout(5):
                with pytest.raises(PublishError, match=r"no_answer .*attempt 2"):
                    await publisher.publish(TYPE, {})


async def test_a_wait_for_a_connection_is_no_part_of_the_timeout():
    async def slow(request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(0.1)
        return answer(200, "accepted")

    async with receiving(slow) as url, Publisher(url, SECRET, connections=1, timeout=0.5, attempts=1) as publisher:
        await asyncio.gather(*(publisher.publish(TYPE, {}) for _ in range(8)))


async def test_a_cancelled_publish_leaves_the_publisher_usable(redis_url, client, monkeypatch):
    arrived, store = asyncio.Event(), Queue.store

    async def store_and_tell(queue, event):
        arrived.set()
        return await store(queue, event)

    monkeypatch.setattr(Queue, "store", store_and_tell)
    async with publishing(redis_url, connections=1) as publisher:
        publish = asyncio.create_task(publisher.publish(TYPE, {}, id="order-7"))
        await arrived.wait()
        publish.cancel()
        with pytest.raises(asyncio.CancelledError):
            await publish
        await publisher.publish(TYPE, {}, id="order-7")
    assert [entry[b"id"] for entry in await entries(client, STORED)] == [b"order-7"]


async def test_10_000_events_by_one_session_are_all_stored_over_its_few_connections(redis_url, client):
    async with publishing(redis_url, connections=8) as publisher:
        published = await asyncio.gather(*(publisher.publish(TYPE, i) for i in range(10_000)))
        assert 1 <= sample("connections") <= 8
    assert not any(one.is_duplicate for one in published)
    assert {entry[b"id"].decode() for entry in await entries(client, STORED)} == {one.id for one in published}


def test_the_client_imports_neither_program_nor_what_only_they_need():
    script = "import sys; import hookbus.client; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    unwanted = ("hookbus.worker", "hookbus.ingest", "redis", "structlog", "uvloop", "typer", "prometheus_client")
    assert [name for name in done.stdout.split() if name in unwanted] == []
