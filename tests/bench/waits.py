"""The time that each event took, from its sending to its arrival."""

import itertools
from collections.abc import Callable
from functools import partial
from typing import Final

from tests.bench import requests
from tests.bench.pace import Pacer
from tests.bench.stopwatch import TELL
from tests.programs import Program

NOTED_S: Final = 120.0
"""Longest wait for the last events."""

_queries = itertools.count()


class Sender:
    """Sends events over a pacer and records the times: webhook-id → ns of CLOCK_MONOTONIC. `make` builds a message."""

    def __init__(self, pacer: Pacer, make: Callable[[str], bytes]) -> None:
        self._pacer = pacer
        self._make = make
        self._at_ns: dict[str, int] = {}

    def prepared(self, count: int) -> list[Callable[[], None]]:
        """New events, built and signed; calling one sends it."""
        ids = [requests.webhook_id() for _ in range(count)]
        return [partial(self._send, name, self._make(name)) for name in ids]

    async def arrived_ms(self, program: Program) -> list[float]:
        """Milliseconds from the sending of each event to its arrival in `program`; later events begin a new list.

        Raises AssertionError when a response or an arrival is missing.
        """
        await self._pacer.answered()
        tell = f"{TELL}_{next(_queries)}"
        self._pacer.send(self._make(tell))
        at_ns = (await program.until_logged("noted", NOTED_S, asked=tell))["at_ns"]
        missing = self._at_ns.keys() - at_ns.keys()
        assert not missing, f"{len(missing)} of {len(self._at_ns)} events were not noted"
        sent_at_ns, self._at_ns = self._at_ns, {}
        return [(at_ns[name] - sent_ns) / 1e6 for name, sent_ns in sent_at_ns.items()]

    def close(self) -> None:
        """Close the connections."""
        self._pacer.close()

    def _send(self, webhook_id: str, message: bytes) -> None:
        self._at_ns[webhook_id] = self._pacer.send(message)


def post(webhook_id: str) -> bytes:
    """A signed request."""
    return requests.request(webhook_id, requests.body())
