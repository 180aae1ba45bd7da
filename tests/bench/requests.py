"""Requests like those of OpenAI, signed beforehand: unique ids, its own example of `response.completed`."""

import functools
import itertools
import json
import time
from pathlib import Path
from typing import Final

from hookbus.shared.samples import samples
from hookbus.shared.secret import key_bytes, sign
from tests.programs import SECRET

EVENT_TYPE: Final = "response.completed"
PATH: Final = "/webhooks/openai"

_numbers = itertools.count()


@functools.cache
def body(event_type: str = EVENT_TYPE) -> bytes:
    """OpenAI's own example of a type; for a type that it does not document, one of the same size."""
    return json.dumps(samples().get(event_type) or samples()[EVENT_TYPE] | {"type": event_type}).encode()


def webhook_id() -> str:
    """A new id with the length of OpenAI's."""
    return f"wh_{next(_numbers):032d}"


def request(webhook_id: str, body: bytes) -> bytes:
    """One POST as bytes. All requests of one body have the same length."""
    timestamp = str(int(time.time()))
    signature = sign(_KEY, webhook_id, timestamp, body)
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: OpenAI/1.0 (+https://platform.openai.com)\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nwebhook-id: {webhook_id}\r\n"
        f"webhook-timestamp: {timestamp}\r\nwebhook-signature: {signature}\r\n\r\n"
    )
    return head.encode() + body


_KEY: Final = key_bytes(SECRET, "raw")


def write(file: Path, count: int) -> int:
    """Write unique requests one behind the other; returns the bytes of each."""
    payload = body()
    signed = [request(webhook_id(), payload) for _ in range(count)]
    file.write_bytes(b"".join(signed))
    return len(signed[0])
