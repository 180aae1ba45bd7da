"""Requests as proxies, load balancers and other senders shape them: a signed event is stored in any shape.

Against the real program, because its event loop and its HTTP parser take part.
"""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator

import pytest

from hookbus.shared import posting
from hookbus.shared.secret import key_bytes
from tests.ingest.serving import entries, hang_up, head
from tests.programs import SECRET, Ingest, event_body
from tests.wait import until

PATH = "/webhooks/openai"
KEY = key_bytes(SECRET, "raw")
GZIPPED = gzip.compress(event_body())


@pytest.fixture
async def ingest(redis_url) -> AsyncIterator[Ingest]:
    with Ingest(redis_url) as running:
        yield await running.until_healthy()


def signed(body: bytes = event_body()) -> posting.Request:
    return posting.signed_request(KEY, body)


async def answers(ingest: Ingest, *parts: bytes, count: int = 1, ends: bool = False) -> list[bytes]:
    """Send `parts` and return the statuses of up to `count` answers. `ends` closes the sending side after them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", ingest.port)
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    statuses = []
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        if ends:
            writer.write_eof()
        async with asyncio.timeout(15):
            for _ in range(count):
                statuses.append((await reader.readuntil(b"}"))[9:12])
            if ends:
                assert await reader.read() == b"", "the connection ends after the last answer"
    except (asyncio.IncompleteReadError, TimeoutError):
        pass
    finally:
        await hang_up(writer)
    return statuses


def whole(request: posting.Request, *lines: str, path: str = PATH) -> bytes:
    return head(request, f"Content-Length: {len(request.body)}", *lines, path=path) + request.body


def chunked(request: posting.Request, trailer: bytes = b"") -> bytes:
    chunks = b"".join(b"1;x=y\r\n%c\r\n" % byte for byte in request.body)
    return head(request, "Transfer-Encoding: Chunked") + chunks + b"0\r\n" + trailer + b"\r\n"


def with_signatures(*values: str) -> bytes:
    """A request with these lines of signatures; {} stands for the valid one."""
    request = signed()
    valid = request.headers["webhook-signature"]
    lines = "\r\n".join(f"webhook-signature: {value.format(valid)}" for value in values)
    return whole(request).replace(f"webhook-signature: {valid}".encode(), lines.encode())


def with_blanks() -> bytes:
    return whole(signed()).replace(b"\r\nwebhook-", b" \t\r\nwebhook-").replace(b"webhook-id: ", b"webhook-id:\t  ")


def with_two_ids() -> bytes:
    return whole(signed()).replace(b"webhook-timestamp", b"Webhook-Id: wh_other\r\nwebhook-timestamp", 1)


WRONG = "v1," + "A" * 43 + "="
SHAPES = {
    "a trailing slash": lambda: whole(signed(), path=PATH + "/"),
    "doubled slashes": lambda: whole(signed(), path="//webhooks//openai"),
    "dots in the path": lambda: whole(signed(), path="/proxy/../webhooks/./openai"),
    "a percent-encoded path": lambda: whole(signed(), path="/webhooks/%6fpenai"),
    "a query": lambda: whole(signed(), path=PATH + "?region=eu&x=%2F"),
    "an absolute target": lambda: whole(signed(), path="http://hooks.example" + PATH),
    "an absolute target with a trailing slash": lambda: whole(signed(), path=f"https://hooks.example:443{PATH}/?x"),
    "HTTP/1.0": lambda: whole(signed()).replace(b" HTTP/1.1", b" HTTP/1.0", 1),
    "an empty line before": lambda: b"\r\n\r\n" + whole(signed()),
    "upper-case names": lambda: whole(signed()).replace(b"webhook-", b"WEBHOOK-"),
    "blanks around values": with_blanks,
    "no encoding named": lambda: whole(signed(), "Content-Encoding:"),
    "identity": lambda: whole(signed(), "Content-Encoding: Identity"),
    "a charset for an encoding": lambda: whole(signed(), "Content-Encoding: utf-8"),
    "a merely declared encoding": lambda: whole(signed(), "Content-Encoding: gzip"),
    "two merely declared encodings": lambda: whole(signed(), "Content-Encoding: utf-8", "Content-Encoding: gzip"),
    "an unknown encoding": lambda: whole(signed(), "Content-Encoding: aws-chunked"),
    "no content type": lambda: whole(signed()).replace(b"Content-Type: application/json\r\n", b""),
    "chunks with extensions": lambda: chunked(signed()),
    "chunks and a trailer": lambda: chunked(signed(), b"X-Checksum: 1\r\n"),
    "an offer of HTTP/2": lambda: whole(signed(), "Connection: Upgrade", "Upgrade: h2c"),
    "an expectation without waiting for it": lambda: whole(signed(), "Expect: 100-continue"),
    "an unknown expectation": lambda: whole(signed(), "Expect: the-best"),
    "the second of two lines of signatures": lambda: with_signatures(WRONG, "{}"),
    "the first of two lines of signatures": lambda: with_signatures("{}", WRONG),
    "a line of signatures behind an empty one": lambda: with_signatures("", "{}"),
    "lines of signatures that a proxy joined": lambda: with_signatures(f"{WRONG}, {{}}"),
    "signatures separated by commas": lambda: with_signatures(f"{{}},{WRONG}"),
    "signatures separated by a tab": lambda: with_signatures(f"{WRONG}\t{{}}"),
    "a second id behind the signed one": with_two_ids,
}


async def test_a_signed_event_is_stored_whatever_shape_its_request_has(ingest, client):
    last = {}
    for name, build in SHAPES.items():
        last[name] = (await answers(ingest, build()))[-1:]
    assert {name: answer for name, answer in last.items() if answer != [b"200"]} == {}
    assert len(await entries(client)) == len(SHAPES)


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP", "identity, gzip"])
async def test_415_for_a_body_that_is_compressed_signed_or_not(ingest, client, coding):
    forged = posting.signed_request(KEY, GZIPPED, is_forged=True)
    for request in (signed(GZIPPED), forged):
        assert await answers(ingest, whole(request, f"Content-Encoding: {coding}")) == [b"415"]
    assert await client.execute_command("KEYS", "*stream*") == []


async def test_garbage_after_requests_loses_none_of_them_however_the_bytes_are_split(ingest, client):
    requests = [signed() for _ in range(3)]
    data = b"".join(map(whole, requests)) + b"\x16\x03\x01 garbage\r\n\r\n"
    cuts = range(1, len(data), 97)
    for cut in cuts:
        assert await answers(ingest, data[:cut], data[cut:], count=4) == [b"200"] * 3 + [b"400"], cut
    assert await answers(ingest, data, count=4, ends=True) == [b"200"] * 3 + [b"400"]
    assert len(await entries(client)) == 3


async def test_a_client_that_half_closes_gets_all_its_answers(ingest, client):
    for depth in (1, 2, 300):
        data = b"".join(whole(signed()) for _ in range(depth))
        assert await answers(ingest, data, count=depth, ends=True) == [b"200"] * depth
    assert len(await entries(client)) == 303


async def test_a_client_that_leaves_in_the_middle_of_a_body_ends_its_request_at_once(ingest):
    assert await answers(ingest, whole(signed())[:-1], ends=True) == []
    async with asyncio.timeout(5):  # half the time that a body may take
        await until(lambda: ingest.logged("refused", code="disconnected"))


async def test_pipelined_requests_beyond_what_the_server_queues_are_all_answered(ingest, client):
    data = b"".join(whole(signed()) for _ in range(400))
    assert await answers(ingest, data, count=400) == [b"200"] * 400
    assert len(await entries(client)) == 400
