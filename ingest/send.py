"""Signed test events, as OpenAI would send them: to test an endpoint, a handler, a load.

    type → sample or generic event → body → signed request → post → answer → tally

The expected answer is known before each request is sent, so that a script can rely on the exit code. Nothing here
uses Redis: this is the sender's side.
"""

import asyncio
import functools
import json
import time
from array import array
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import aiohttp

from ..shared import clock, type_place
from ..shared.destination import Destination
from ..shared.percentile import percentile
from ..shared.posting import NO_ANSWER, Answer, Expected, new_id, post, signed_request
from ..shared.type_place import with_field

STALE_S: Final = 600
"""Age of a stale timestamp: twice what Standard Webhooks allows."""


@functools.cache
def samples() -> dict[str, dict[str, Any]]:
    """OpenAI's documented example of every known event type."""
    file = resources.files("hookbus.ingest").joinpath("samples.json")
    examples: dict[str, dict[str, Any]] = json.loads(file.read_bytes())
    return examples


def event_body(event_type: str, data: Mapping[str, Any] | None = None, type_at: str = type_place.DEFAULT) -> bytes:
    """A new event in OpenAI's format: the example of its type, or a generic one for an unknown type.

    `data` sets fields of the event's `data`; a dot in a key descends. `type_at` is where the source has its types.
    Raises ValueError when a parent is no object.
    """
    example = samples().get(event_type, {"object": "event", "type": event_type, "data": {"id": new_id("obj")}})
    event = example | {"id": new_id("evt"), "created_at": clock.now_s()}
    for key, value in (data or {}).items():
        event = with_field(event, f"data.{key}", value)
    if type_at != type_place.DEFAULT:
        del event["type"]
        event = with_field(event, type_at, event_type)
    return json.dumps(event).encode()


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send. `body` builds the body of the n-th event; `rate` is in events per second, 0 for no limit."""

    to: Destination
    body: Callable[[int], bytes]
    events: int = 1
    rate: float = 0
    concurrency: int = 8
    is_duplicated: bool = False
    is_stale: bool = False
    is_forged: bool = False

    def expected(self) -> list[Expected]:
        """The expected answer to each post of one event. The receiver checks the age before the signature."""
        posts = 2 if self.is_duplicated else 1
        if self.is_stale:
            return [(400, "timestamp_stale")] * posts
        if self.is_forged:
            return [(401, "signature_mismatch")] * posts
        return [(200, ""), (200, "duplicate")][:posts]


class Tally:
    """Counts answers and their latencies."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[int, str]] = Counter()
        self.unexpected = 0
        self.failure = ""
        """Why the latest post was not sent."""
        self._latencies_ms = array("d")

    @property
    def is_hopeless(self) -> bool:
        """Posts failed, and no post has been answered yet."""
        return bool(self.failure) and not self._latencies_ms

    def add(self, answer: Answer, expected: Expected) -> None:
        """Count one answer."""
        self.counts[answer.status, answer.code] += 1
        self.unexpected += not answer.is_as(expected)
        if answer.status == NO_ANSWER:
            # A sent post without an answer may have arrived: it is counted, but no reason to stop.
            self.failure = self.failure if answer.is_unknown else answer.detail
        else:
            self._latencies_ms.append(answer.latency_ms)

    def percentile_ms(self, share: float) -> float:
        """The latency that `share` (0 to 1) of the answers did not exceed; 0 without answers."""
        return percentile(self._latencies_ms, share)


async def send(plan: Plan, tally: Tally, show: Callable[[int, Answer, Expected], None]) -> None:
    """Post a whole plan; `show` gets each answer with its event's number. Stops early without a receiver."""
    numbers = iter(range(plan.events))
    began = time.monotonic()

    async def sender(session: aiohttp.ClientSession) -> None:
        for number in numbers:
            if plan.rate:
                await asyncio.sleep(began + number / plan.rate - time.monotonic())
            if tally.is_hopeless:
                return
            await _send_one(plan, number, session, tally, show)

    connector = aiohttp.TCPConnector(limit=plan.concurrency)
    try:
        async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as senders:
            for _ in range(min(plan.concurrency, plan.events)):
                senders.create_task(sender(session))
    except ExceptionGroup as error:
        # An OSError of `show`; network errors do not get here. Not by `except*`: in CPython 3.11.2 (Debian 12) an
        # exception raised in it is wrapped in a group again.
        expected, others = error.split(OSError)
        if expected is None or others is not None:
            raise
        raise expected.exceptions[0] from None


async def _send_one(
    plan: Plan,
    number: int,
    session: aiohttp.ClientSession,
    tally: Tally,
    show: Callable[[int, Answer, Expected], None],
) -> None:
    """Post one event once or twice, as planned: the same webhook-id, each time a new timestamp."""
    body, webhook_id = plan.body(number), new_id("wh")
    for expected in plan.expected():
        request = signed_request(
            plan.to.key,
            body,
            webhook_id,
            age_s=STALE_S if plan.is_stale else 0,
            is_forged=plan.is_forged,
            names=plan.to.names,
        )
        answer = await post(session, plan.to.url, request)
        tally.add(answer, expected)
        if not tally.is_hopeless:
            show(number, answer, expected)
