"""The requests of hostile clients: some must never be stored, others are hardly requests.

`structured` has the whole form of a delivery and one thing wrong with it, often under a signature made with the real
secret for something else. `raw` is damaged anywhere; it is signed with a wrong secret, so that no damage makes it good.
"""

import gzip
import random
import time
from collections.abc import Callable
from typing import Final

from hookbus.shared.secret import key_bytes, sign
from tests.programs import SECRET, event_body

PATH: Final = "/webhooks/openai"
KEY: Final = key_bytes(SECRET, "raw")
WRONG_KEY: Final = b"not the secret of anybody at all"
BOMB: Final = gzip.compress(bytes(10 * 1024 * 1024))
"""Ten thousand bytes that inflate to ten million."""
MANY: Final = b"".join(b"X-%d: y\r\n" % i for i in range(300))

Headers = dict[str, str]


def structured(rng: random.Random) -> bytes:
    """A request that is well-formed HTTP, leaves the connection open, and must be refused."""
    body = event_body(id=f"resp_{rng.getrandbits(32)}")
    webhook_id, at = f"forged_{rng.getrandbits(64):x}", str(int(time.time()))
    signature = sign(KEY, webhook_id, at, body)
    headers = {"webhook-id": webhook_id, "webhook-timestamp": at, "webhook-signature": signature}
    return rng.choice(_LIES)(rng, headers, body)


def raw(rng: random.Random) -> bytes:
    """Bytes after which the connection is unusable."""
    if rng.random() < 0.3:
        return rng.choice(_SHAPES)
    body = event_body()
    webhook_id, at = f"raw_{rng.getrandbits(64):x}", str(int(time.time()))
    headers = {"webhook-id": webhook_id, "webhook-timestamp": at}
    headers["webhook-signature"] = sign(WRONG_KEY, webhook_id, at, body)
    data = bytearray(post(headers, body))
    for _ in range(rng.randrange(1, 8)):
        where = rng.randrange(len(data))
        data[where : where + rng.randrange(4)] = rng.randbytes(rng.randrange(4))
    return bytes(data)


def post(headers: Headers, body: bytes, *more: str, path: str = PATH, method: str = "POST") -> bytes:
    """A request with a declared length."""
    lines = [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *lines, *more, f"Content-Length: {len(body)}", "", ""])
    return head.encode("latin-1", "surrogateescape") + body


def _other_body(rng: random.Random, headers: Headers, body: bytes) -> bytes:
    at = rng.randrange(len(body))
    return post(headers, body[:at] + bytes([body[at] ^ (1 << rng.randrange(8))]) + body[at + 1 :])


def _other_id(rng: random.Random, headers: Headers, body: bytes) -> bytes:
    return post(headers | {"webhook-id": headers["webhook-id"] + rng.choice("0aZ.-")}, body)


def _other_time(rng: random.Random, headers: Headers, body: bytes) -> bytes:
    shifted = int(headers["webhook-timestamp"]) + rng.choice((-1, 1, 60, -200, 10**6, -(10**6), 10**18))
    return post(headers | {"webhook-timestamp": str(shifted)}, body)


def _stale(rng: random.Random, headers: Headers, body: bytes) -> bytes:
    at = str(int(time.time()) + rng.choice((-1, 1)) * rng.randrange(400, 10**6))
    return post(
        headers | {"webhook-timestamp": at, "webhook-signature": sign(KEY, headers["webhook-id"], at, body)}, body
    )


def _part_of_signature(rng: random.Random, headers: Headers, body: bytes) -> bytes:
    whole = headers["webhook-signature"]
    return post(headers | {"webhook-signature": whole[: rng.randrange(len(whole) - 1)]}, body)


def _damaged_signature(rng: random.Random, headers: Headers, body: bytes) -> bytes:
    version, _, code = headers["webhook-signature"].partition(",")
    worse = (
        f"v2,{code}", f"v1a,{code}", f"{version},{code.swapcase()}", f"{version},{code[1:]}", f"{version},{code[:8]}",
        f"{version},{code[:8]}{'A' * 35}=", f"{version},=", "v1,", "v1", ",", code, " ".join(["v1,AAAA"] * 200),
        "v1,\xff\xfe", "v1," + "A" * 4000,
    )  # fmt: skip
    return post(headers | {"webhook-signature": rng.choice(worse)}, body)


def _wrong_secret(rng: random.Random, headers: Headers, body: bytes) -> bytes:
    key = rng.choice((WRONG_KEY, b"", KEY[:-1], SECRET.encode()))
    webhook_id, at = headers["webhook-id"], headers["webhook-timestamp"]
    return post(headers | {"webhook-signature": sign(key or b"\0", webhook_id, at, body)}, body)


def _hostile_value(rng: random.Random, headers: Headers, body: bytes) -> bytes:
    name = rng.choice(list(headers))
    value = rng.choice(("", " ", "\xff\xfe", "9" * 400, "x" * 5000, "NaN", "1e9", "-1", "\xc3\xa9", "٣", "0x10", "1_0"))
    return post(headers | {name: value.encode().decode("latin-1")}, body)


def _missing(rng: random.Random, headers: Headers, body: bytes) -> bytes:
    name = rng.choice(list(headers))
    return post({key: value for key, value in headers.items() if key != name}, body)


def _elsewhere(rng: random.Random, headers: Headers, body: bytes) -> bytes:
    path = rng.choice(
        ("/", "/webhooks", PATH + "/x", "/%2e%2e" + PATH[1:], "/" + "a" * rng.randrange(3000), "//x" + PATH)
    )
    return post(headers, body, path=path)


def _other_method(rng: random.Random, headers: Headers, body: bytes) -> bytes:
    return post(headers, body, method=rng.choice(("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND")))


def _chunked(rng: random.Random, headers: Headers, body: bytes) -> bytes:
    head = post(headers | {"webhook-id": headers["webhook-id"] + "c"}, b"").replace(
        b"Content-Length: 0", b"Transfer-Encoding: chunked"
    )
    cut = rng.randrange(1, len(body))
    return head + b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (cut, body[:cut], len(body) - cut, body[cut:])


_LIES: Final[tuple[Callable[[random.Random, Headers, bytes], bytes], ...]] = (
    _other_body, _other_id, _other_time, _stale, _part_of_signature, _damaged_signature, _wrong_secret, _hostile_value,
    _missing, _elsewhere, _other_method, _chunked,
)  # fmt: skip


def _shape(line: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([line, *headers, b"", body])


_POST: Final = b"POST " + PATH.encode() + b" HTTP/1.1"
_SHAPES: Final = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)),  # a TLS ClientHello
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    b"\x00" * 500 + b"\r\n\r\n",
    b"\r\n" * 200,
    b"GET\r\n\r\n",
    _shape(_POST.replace(b"1.1", b"1.0")),
    _shape(_POST.replace(b"1.1", b"9.9"), b"Host: x"),
    _shape(b"POST http://127.0.0.1/" + PATH.encode() + b" HTTP/1.1", b"Host: x", b"Content-Length: 0"),
    _shape(b"POST http://[bad/ HTTP/1.1", b"Host: x", b"Content-Length: 0"),
    _shape(b"POST * HTTP/1.1", b"Host: x", b"Content-Length: 0"),
    _shape(b"CONNECT x:1 HTTP/1.1", b"Host: x"),
    _shape(b"POST /" + b"a" * 20_000 + b" HTTP/1.1", b"Host: x"),
    _shape(_POST, b"Host: x", b"X: " + b"y" * 20_000),
    _POST + b"\r\nHost: x\r\n" + MANY + b"\r\n",
    _shape(_POST, b"Host: x", b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\nGET / HTTP/1.1\r\n"),
    _shape(_POST, b"Host: x", b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=b"0\r\n\r\n"),
    _shape(_POST, b"Host: x", b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"),
    _shape(_POST, b"Host: x", b"Transfer-Encoding: chunked", body=b"zz\r\n"),
    _shape(_POST, b"Host: x", b"Transfer-Encoding: chunked", body=b"ffffffffffffffffffff\r\n"),
    _shape(_POST, b"Host: x", b"Transfer-Encoding: chunked", body=b"-1\r\nx\r\n0\r\n\r\n"),
    _shape(_POST, b"Host: x", b"Transfer-Encoding: chunked", body=b"1;" + b"e" * 20_000 + b"\r\nx\r\n0\r\n\r\n"),
    _shape(_POST, b"Host: x", b"Content-Length: 1", b"Content-Length: 2", body=b"xx"),
    _shape(_POST, b"Host: x", b"Content-Length: +1", body=b"x"),
    _shape(_POST, b"Host: x", b"Content-Length: 100000000"),
    _shape(_POST, b"Host: x", b"Content-Length: 99999999999999999999999"),
    _shape(_POST, b"Host: x", b"X: a", b" folded", b"Content-Length: 0"),
    _shape(_POST, b"Host: x", b"X: a\x00b", b"Content-Length: 0"),
    _shape(_POST, b"Host : x", b"Content-Length: 0"),
    _shape(_POST, b"Host: x", b"Expect: nonsense", b"Content-Length: 0"),
    _shape(_POST, b"Host: x", b"Expect: 100-continue", b"Content-Length: 3", body=b"abc"),
    _shape(_POST, b"Host: x", b"Upgrade: websocket", b"Connection: upgrade", body=b"\x81\x00" * 100),
    _shape(_POST, b"Host: x", b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings", b"HTTP2-Settings: AAMAAABk"),
    _shape(_POST, b"Host: x", b"Content-Encoding: gzip", b"Content-Length: %d" % len(BOMB), body=BOMB),
    _shape(
        _POST, b"Host: x", b"Content-Encoding: gzip", b"Transfer-Encoding: chunked", body=b"5\r\nabcde\r\n0\r\n\r\n"
    ),
)
