"""G8: of any bytes, nothing unsigned is stored, no response is 500, and no traceback is logged."""

import asyncio
import random
import re

import pytest

from tests.ingest.serving import PATH, Ingest, entries, hang_up, head, signed

HOSTILE = [
    b"\x00\x01\x02\r\n\r\n",
    b"GET\r\n\r\n",
    b"POST " + PATH.encode() + b" HTTP/9.9\r\n\r\n",
    b"POST /%ff%00 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    b"POST //[::1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    b"POST http://[bad/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    b"POST * HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n",
    b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
    b"POST " + PATH.encode() + b" HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(5000)) + b"\r\n",
    b"POST /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
    b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: x\r\nExpect: nonsense\r\nContent-Length: 0\r\n\r\n",
    b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
]


def is_refusal(answer: bytes) -> bool:
    """A 4xx, or no answer because the request was incomplete."""
    return not answer or re.match(rb"HTTP/1\.\d 4\d\d ", answer) is not None


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
async def test_g8_bytes_that_are_not_http_are_refused_without_a_traceback(ingest: Ingest, client, data):
    answer = await ingest.raw(data, 0.3)
    assert is_refusal(answer), answer
    assert await client.execute_command("KEYS", "*stream*") == []


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", [b"\xff\xfe", b"\xc3\xa9", b"v1," + b"=" * 4000, b"1" * 5000, b"v1,\xff", b""])
async def test_g8_hostile_header_bytes_are_refused(ingest: Ingest, client, name, value):
    request = signed()
    lines = [f"{key}: {text}".encode() for key, text in request.headers.items() if key != name]
    lines += [name.encode() + b": " + value, b"Content-Length: %d" % len(request.body)]
    answer = await ingest.raw(
        b"POST %b HTTP/1.1\r\nHost: x\r\n" % PATH.encode() + b"\r\n".join(lines) + b"\r\n\r\n" + request.body
    )
    assert re.match(rb"HTTP/1\.[01] 40[01] ", answer), answer
    assert await client.execute_command("KEYS", "*stream*") == []


async def test_g8_no_mutation_of_a_good_request_is_stored_or_answered_500(ingest: Ingest, client):
    chance = random.Random(8)
    sent, good = set(), set()
    for _ in range(200):
        request = signed()
        sent.add(request.body)
        data = bytearray(head(request, f"Content-Length: {len(request.body)}") + request.body)
        position = chance.randrange(len(data))
        data[position : position + chance.randrange(3)] = chance.randbytes(chance.randrange(1, 3))
        answer = await ingest.raw(bytes(data), 0.1)
        assert answer[9:12] != b"500", bytes(data)
        if answer[9:12] == b"200":  # the mutation hit an unsigned part, such as the name of another header
            good.add(request.body)
    # A slow answer may be missed, so more may be stored than answered here, but nothing unsigned.
    assert good <= {entry[b"body"] for entry in await entries(client)} <= sent
    assert await ingest.execute(signed()) == (200, {"status": "accepted"})


async def test_g8_a_sender_that_leaves_in_the_middle_of_a_body_leaves_no_trace(ingest: Ingest, client):
    for _ in range(5):
        _, writer = await asyncio.open_connection("127.0.0.1", ingest.port)
        writer.write(head(signed(), "Content-Length: 100") + b"{")
        await writer.drain()
        writer.transport.abort()
        await hang_up(writer)
    assert await ingest.execute(signed()) == (200, {"status": "accepted"})
    assert len(await entries(client)) == 1
