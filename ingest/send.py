"""Signed test deliveries, as OpenAI would send them: to try an endpoint, a consumer, a load.

    type → sample or generic event → body → signed request → post → answer → tally

What each answer must be is known before the request is sent, so that a script can rely on the exit code. Nothing
here touches Redis: it stands where the sender stands.
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

from ..shared import clock
from ..shared.percentile import percentile
from ..shared.posting import NO_ANSWER, Answer, Expected, new_id, post, signed_request

STALE_S: Final = 600
"""Age of a stale timestamp: twice what Standard Webhooks allow."""


@functools.cache
def samples() -> dict[str, dict[str, Any]]:
    """OpenAI's documented example of every known event type."""
    found: dict[str, dict[str, Any]] = json.loads(
        resources.files("hookbus.ingest").joinpath("samples.json").read_bytes()
    )
    return found


def event_body(event_type: str, data: Mapping[str, Any] | None = None) -> bytes:
    """A fresh event, written as OpenAI writes it: the type's example, or a generic one for an unknown type.

    `data` sets fields of the event's `data`; a dot in a key goes deeper. Raises ValueError when it can't.
    """
    example = samples().get(event_type, {"object": "event", "type": event_type, "data": {"id": new_id("obj")}})
    event = example | {"id": new_id("evt"), "created_at": clock.now_s()}
    for key, value in (data or {}).items():
        event = _with(event, ["data", *key.split(".")], value)
    return json.dumps(event).encode()


def _with(table: Mapping[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    """A copy of `table` with the field at `path` set; what is missing on the way is made."""
    first, *rest = path
    if not rest:
        return {**table, first: value}
    inner = table.get(first, {})
    if not isinstance(inner, Mapping):
        raise ValueError(f"{first!r} is no object, so nothing in it can be set")  # noqa: TRY004 - the user's mistake
    return {**table, first: _with(inner, rest, value)}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send. `body` makes the body of the n-th event; `rate` is in events per second, 0 for no limit."""

    url: str
    key: bytes
    body: Callable[[int], bytes]
    events: int = 1
    rate: float = 0
    concurrency: int = 8
    is_duplicated: bool = False
    is_stale: bool = False
    is_forged: bool = False

    def expected(self) -> list[Expected]:
        """What each post of one event must be answered with. The receiver looks at the age first."""
        posts = 2 if self.is_duplicated else 1
        if self.is_stale:
            return [(400, "timestamp_stale")] * posts
        if self.is_forged:
            return [(401, "signature_mismatch")] * posts
        return [(200, ""), (200, "duplicate")][:posts]


class Tally:
    """Counts answers while they come."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[int, str]] = Counter()
        self.unexpected = 0
        self.failure = ""
        """Why the latest post never left."""
        self._latencies_ms = array("d")

    @property
    def is_hopeless(self) -> bool:
        """Posts failed, and nobody has answered yet."""
        return bool(self.failure) and not self._latencies_ms

    def add(self, answer: Answer, expected: Expected) -> None:
        """Count one."""
        self.counts[answer.status, answer.code] += 1
        self.unexpected += not answer.is_as(expected)
        if answer.status == NO_ANSWER:
            # What left and was not answered may have arrived: that is told, and no reason to give up.
            self.failure = self.failure if answer.is_unknown else answer.detail
        else:
            self._latencies_ms.append(answer.latency_ms)

    def percentile_ms(self, share: float) -> float:
        """Latency that this share of the answers stayed within; 0 when there are none."""
        return percentile(self._latencies_ms, share)


async def send(plan: Plan, tally: Tally, show: Callable[[int, Answer, Expected], None]) -> None:
    """Post all of a plan; `show` is told the event's number with each answer. Stops early when nobody is there."""
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
        # What `show` met; nothing that the network does gets here. Not by `except*`: what that raises comes as a group
        # again in CPython 3.11.2, which is Debian 12's.
        found, others = error.split(OSError)
        if found is None or others is not None:
            raise
        raise found.exceptions[0] from None


async def _send_one(
    plan: Plan,
    number: int,
    session: aiohttp.ClientSession,
    tally: Tally,
    show: Callable[[int, Answer, Expected], None],
) -> None:
    """Post one event as often as the plan says, each time under the same webhook-id with a new timestamp."""
    body, webhook_id = plan.body(number), new_id("wh")
    for expected in plan.expected():
        request = signed_request(
            plan.key, body, webhook_id, age_s=STALE_S if plan.is_stale else 0, is_forged=plan.is_forged
        )
        answer = await post(session, plan.url, request)
        tally.add(answer, expected)
        if not tally.is_hopeless:
            show(number, answer, expected)
