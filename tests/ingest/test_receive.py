"""Each status and code of the table of HTTP responses, over real HTTP."""

import asyncio
import json

import pytest

from hookbus.shared import keys, posting
from hookbus.shared.secret import Secret
from hookbus.shared.sources import Source
from tests.ingest.serving import KEY, PATH, SECRET, SHARD, Ingest, entries, hang_up, head, serving, signed
from tests.wait import until


async def test_g1_an_accepted_event_is_stored_with_its_exact_bytes(ingest: Ingest, client):
    body = b'{"type" :  "response.completed",\n "id":"evt_\\u00e9", "x": 1.10}'
    request = posting.signed_request(KEY, body)
    assert await ingest.execute(request) == (200, {"status": "accepted"})
    (entry,) = await entries(client)
    assert int(entry.pop(b"at")) > 0
    assert entry == {b"id": request.webhook_id.encode(), b"src": b"openai", b"body": body}


async def test_g1_a_duplicate_gets_200_and_is_not_stored_again(ingest: Ingest, client):
    request = signed()
    assert await ingest.execute(request) == (200, {"status": "accepted"})
    second = posting.signed_request(KEY, request.body, request.webhook_id, age_s=-1)
    assert await ingest.execute(request) == await ingest.execute(second) == (200, {"status": "duplicate"})
    assert len(await entries(client)) == 1


async def test_g1_of_many_copies_at_once_one_is_stored(ingest: Ingest, client):
    request = signed()
    answers = await asyncio.gather(*(ingest.execute(request) for _ in range(20)))
    assert sorted(answer["status"] for _, answer in answers) == ["accepted"] + ["duplicate"] * 19
    assert len(await entries(client)) == 1


@pytest.mark.parametrize("name", ["webhook_id", "webhook_timestamp", "webhook_signature"])
async def test_400_missing_header(ingest: Ingest, name):
    assert await ingest.execute(signed(), **{name: "-"}) == (400, {"error": "missing_header"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook_id", "x" * 256),
        ("webhook_id", "a b"),
        ("webhook_id", "wh_é"),
        ("webhook_timestamp", "soon"),
        ("webhook_timestamp", "9" * 21),
    ],
)
async def test_400_malformed_header(ingest: Ingest, name, value):
    assert await ingest.execute(signed(), **{name: value}) == (400, {"error": "malformed_header"})


async def test_400_timestamp_stale_and_timestamp_future(ingest: Ingest, client):
    old, early = (posting.signed_request(KEY, b"{}", age_s=age_s) for age_s in (310, -310))
    assert await ingest.execute(old) == (400, {"error": "timestamp_stale"})
    assert await ingest.execute(early) == (400, {"error": "timestamp_future"})
    assert await client.execute_command("KEYS", "*stream*") == []


async def test_401_signature_mismatch(ingest: Ingest, client):
    forged = posting.signed_request(KEY, b"{}", is_forged=True)
    assert await ingest.execute(forged) == (401, {"error": "signature_mismatch"})
    assert await ingest.execute(signed(), webhook_id="wh_other") == (401, {"error": "signature_mismatch"})
    assert await ingest.execute(signed(), webhook_signature="v1,short v2,x") == (401, {"error": "signature_mismatch"})
    assert await client.execute_command("KEYS", "*stream*") == []


@pytest.mark.parametrize("path", ["/", "/webhooks", PATH + "/x", PATH + "x", "/WEBHOOKS/openai"])
async def test_404_unknown_endpoint(ingest: Ingest, path):
    assert await ingest.execute(signed(), path=path) == (404, {"error": "unknown_endpoint"})


async def test_a_query_string_does_not_matter(ingest: Ingest):
    assert await ingest.execute(signed(), path=PATH + "?from=openai") == (200, {"status": "accepted"})


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_405_method_not_allowed_names_the_allowed_method(ingest: Ingest, method):
    async with ingest.session.request(method, ingest.url) as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")
        assert await response.json() == {"error": "method_not_allowed"}


async def test_408_body_timeout(redis_url):
    async with serving(redis_url, body_timeout_s=0.1) as ingest:
        reader, writer = await asyncio.open_connection("127.0.0.1", ingest.port)
        writer.write(head(signed(), "Content-Length: 100") + b"{")
        answer = await reader.readuntil(b"}")
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert answer.endswith(b'{"error":"body_timeout"}')
        await hang_up(writer)


async def test_413_body_too_large_follows_from_the_declared_length(ingest: Ingest):
    reader, writer = await asyncio.open_connection("127.0.0.1", ingest.port)
    writer.write(head(signed(), "Content-Length: 100000000"))  # without a byte of the body
    answer = await reader.readuntil(b"}")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.endswith(b'{"error":"body_too_large"}')
    await hang_up(writer)


async def test_413_body_too_large_is_detected_while_a_chunked_body_arrives(redis_url, client):
    async with serving(redis_url, max_body_bytes=1024) as ingest:
        reader, writer = await asyncio.open_connection("127.0.0.1", ingest.port)
        writer.write(head(signed(), "Transfer-Encoding: chunked") + b"401\r\n" + b"x" * 1025 + b"\r\n")
        answer = await reader.readuntil(b"}")  # although the body has not ended
        assert answer.startswith(b"HTTP/1.1 413 ")
        await hang_up(writer)


async def test_a_body_of_exactly_the_limit_is_accepted(redis_url):
    async with serving(redis_url, max_body_bytes=1024) as ingest:
        largest, too_large = (posting.signed_request(KEY, b" " * size) for size in (1024, 1025))
        assert (await ingest.execute(largest))[0] == 200
        assert await ingest.execute(too_large) == (413, {"error": "body_too_large"})


async def test_a_sender_that_expects_100_continue_gets_it(ingest: Ingest):
    request = signed()
    reader, writer = await asyncio.open_connection("127.0.0.1", ingest.port)
    writer.write(head(request, f"Content-Length: {len(request.body)}", "Expect: 100-continue"))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(request.body)
    assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
    await hang_up(writer)
    refused = await ingest.raw(head(request, "Content-Length: 100000000", "Expect: 100-continue"))
    assert refused.startswith(b"HTTP/1.1 413 ")


async def test_a_chunked_body_is_accepted(ingest: Ingest, client):
    request = signed()
    chunks = b"".join(b"%x\r\n%b\r\n" % (1, request.body[i : i + 1]) for i in range(len(request.body)))
    answer = await ingest.raw(head(request, "Transfer-Encoding: chunked") + chunks + b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert [entry[b"body"] for entry in await entries(client)] == [request.body]


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "GZIP"])
async def test_415_unsupported_encoding_and_nothing_is_decompressed(ingest: Ingest, encoding):
    answer = await ingest.raw(head(signed(), f"Content-Encoding: {encoding}", "Content-Length: 1") + b"\x8b")
    assert answer.startswith(b"HTTP/1.1 415 ")
    assert answer.endswith(b'{"error":"unsupported_encoding"}')


async def test_503_queue_unavailable_while_redis_is_unreachable_and_200_afterwards(own_server):
    async with serving(own_server.url) as ingest:
        request = signed()
        own_server.stop()
        assert await ingest.execute(request) == (503, {"error": "queue_unavailable"})
        own_server.start()

        async def stored():
            return await ingest.execute(request) == (200, {"status": "accepted"})

        await until(stored)


async def test_503_overloaded_when_redis_is_out_of_memory(ingest: Ingest, client):
    await client.execute_command("CONFIG", "SET", "maxmemory", "1")
    assert await ingest.execute(signed()) == (503, {"error": "overloaded"})


async def test_503_not_durable_when_redis_cannot_keep_the_promise(redis_url):
    async with serving(redis_url, until_logged="redis_unhealthy", durability="fsync") as ingest:
        assert await ingest.execute(signed()) == (503, {"error": "not_durable"})
        async with ingest.session.get(f"{ingest.ops}/readyz") as response:
            assert response.status == 503
            assert "appendfsync always" in (await response.json())["reason"]


async def test_unsafe_redis_answers_200_and_logs_a_warning(redis_url):
    async with serving(redis_url, durability="fsync", unsafe_redis=True) as ingest:
        assert await ingest.execute(signed()) == (200, {"status": "accepted"})
        assert ingest.logged("unsafe_redis")


async def test_503_draining_at_once_for_a_body_that_is_still_arriving_when_the_port_closes(ingest: Ingest, client):
    request = signed()
    reader, writer = await asyncio.open_connection("127.0.0.1", ingest.port)
    writer.write(head(request, f"Content-Length: {len(request.body)}") + request.body[:5])
    await ingest.execute(signed())  # by now the bytes above are read too
    ingest.stopping.set()
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert answer.endswith(b'{"error":"draining"}')
    assert len(await entries(client)) == 1
    await hang_up(writer)


async def test_while_draining_requests_are_served_readiness_is_off_and_connections_close(redis_url):
    async with serving(redis_url, drain_delay_s=0.5) as ingest:
        ingest.stopping.is_interactive = False
        ingest.stopping.set()
        await until(lambda: ingest.logged("draining"))
        request = signed()
        async with ingest.session.post(ingest.url, data=request.body, headers=request.headers) as response:
            assert (response.status, response.headers["Connection"]) == (200, "close")
        async with ingest.session.get(f"{ingest.ops}/readyz") as response:
            assert response.status == 503


async def test_an_unknown_type_is_stored_under_its_own_type(ingest: Ingest, client):
    assert await ingest.execute(signed("response.imagined")) == (200, {"status": "accepted"})
    assert len(await entries(client, "response.imagined")) == 1
    assert await client.execute_command("SMEMBERS", SHARD.types) == [b"response.imagined"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not JSON",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"type": 1}',
        b'{"type": "a:b"}',
        b'{"type": ""}',
        b'{"a":' * 100_000,
        b"[" * 100_000,
    ],
)
async def test_a_signed_body_without_a_usable_type_is_stored_untyped(ingest: Ingest, client, body):
    answer = await ingest.execute(posting.signed_request(KEY, body))
    assert answer == (200, {"status": "accepted", "type": "untyped"})
    assert [entry[b"body"] for entry in await entries(client, keys.UNTYPED)] == [body]


@pytest.mark.parametrize(
    "body",
    [
        b'\xef\xbb\xbf{"type": "response.completed"}',
        b'{"type": "response.completed", "data": {"id": "\\ud800"}}',
        b'{"type": "response.completed", "data": {"id": "\xff"}}',
        b'{"type": "response.completed", "data": NaN}',
        b'{"type": "response.completed", "data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=["BOM", "surrogate", "no UTF-8", "NaN", "deep"],
)
async def test_a_body_that_only_lenient_json_readers_accept_is_stored_under_its_own_type(ingest: Ingest, client, body):
    assert await ingest.execute(posting.signed_request(KEY, body)) == (200, {"status": "accepted"})
    assert [entry[b"body"] for entry in await entries(client)] == [body]


async def test_a_valid_traceparent_is_stored_and_any_other_dropped(ingest: Ingest, client):
    good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await ingest.execute(signed(), traceparent=good)
    await ingest.execute(signed(), traceparent="nonsense")
    assert [entry.get(b"tp") for entry in await entries(client)] == [good.encode(), None]


async def test_two_sources_have_their_own_paths_and_secrets(redis_url, client):
    other = "whsec_" + "QUJD" * 8
    sources = {
        "openai": Source(path=PATH, secrets=(Secret(other), Secret(SECRET))),
        "org": Source(path="/org", secrets=(Secret(other),)),
    }
    async with serving(redis_url, sources=sources) as ingest:
        request = signed()
        assert await ingest.execute(request) == (200, {"status": "accepted"})
        assert await ingest.execute(request, path="/org") == (401, {"error": "signature_mismatch"})
        assert [entry[b"src"] for entry in await entries(client)] == [b"openai"]


async def test_metrics_have_labels_from_configuration_only(ingest: Ingest):
    await ingest.execute(signed(), path="/webhooks/minted")
    await ingest.execute(signed("type.minted"))
    async with ingest.session.get(f"{ingest.ops}/metrics") as response:
        text = await response.text()
    assert 'hookbus_ingest_requests_total{code="accepted",source="openai",status="200"}' in text
    assert 'hookbus_ingest_requests_total{code="unknown_endpoint",source="",status="404"}' in text
    assert 'hookbus_ingest_stored_events_total{type="other"}' in text
    assert (
        'hookbus_ingest_requests_total{code="internal_error",source="openai",status="500"} 0.0' in text
    )  # from the start
    assert "minted" not in text


async def test_a_log_line_about_an_event_identifies_it_and_never_shows_its_body(ingest: Ingest):
    request = signed(id="resp_private")
    await ingest.execute(request)
    (line,) = ingest.logged("stored")
    assert {key: line[key] for key in ("webhook_id", "type", "source")} == {
        "webhook_id": request.webhook_id, "type": "response.completed", "source": "openai",
    }  # fmt: skip
    assert "resp_private" not in json.dumps(ingest.logs)
