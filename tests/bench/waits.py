"""From when each event was sent and when it was there, how long it took."""

from collections.abc import Callable
from functools import partial
from typing import Final

from shared.clock import now_ms
from tests.bench import requests
from tests.bench.pace import Pacer
from tests.programs import Program
from tests.wait import until

NOTED_S: Final = 60.0
"""Longest wait for the last events."""


class Sent:
    """Webhook-id → when it was sent, in ns of CLOCK_MONOTONIC."""

    def __init__(self, pacer: Pacer) -> None:
        self.pacer = pacer
        self.at_ns: dict[str, int] = {}

    def send(self, webhook_id: str, message: bytes) -> None:
        """Send it now."""
        self.at_ns[webhook_id] = self.pacer.send(message)


def posts(sent: Sent, count: int) -> list[Callable[[], None]]:
    """What sends signed requests when it is called."""
    body, ids = requests.body(), [requests.webhook_id() for _ in range(count)]
    return [partial(sent.send, name, requests.request(name, body)) for name in ids]


def adds(sent: Sent, stream: str, count: int) -> list[Callable[[], None]]:
    """What adds the same events to a stream."""
    body, ids = requests.body(), [requests.webhook_id() for _ in range(count)]
    command = ("XADD", stream, "*", "id")
    return [partial(sent.send, name, packed(*command, name, "at", str(now_ms()), "body", body)) for name in ids]


def packed(*command: str | bytes) -> bytes:
    """A command as it goes over the wire (https://valkey.io/topics/protocol/)."""
    parts = [part.encode() if isinstance(part, str) else part for part in command]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


async def arrived_ms(sent: Sent, program: Program) -> list[float]:
    """Milliseconds that each event took to where `program` noted it; forgets them. The notes must be complete."""
    await sent.pacer.answered()

    def noted() -> dict[str, int] | None:
        for line in reversed(program.logged("noted")):
            if line["at_ns"].keys() == sent.at_ns.keys():
                return dict(line["at_ns"])
        return None

    at_ns = await until(noted, NOTED_S, "the notes of all events")
    took = [(at_ns[name] - sent_ns) / 1e6 for name, sent_ns in sent.at_ns.items()]
    sent.at_ns = {}
    return took
