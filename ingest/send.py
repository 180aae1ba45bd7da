"""Signed test events, as OpenAI would send them: to test an endpoint, a handler, a load.

    body → signed request → post → answer → tally

The expected answer is known before each request is sent, so that a script can rely on the exit code. Nothing here
uses Redis: this is the sender's side.
"""

import asyncio
import time
from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import aiohttp

from ..shared.destination import Destination
from ..shared.percentile import percentile
from ..shared.posting import NO_ANSWER, Answer, Expected, new_id, post, signed_request
from ..shared.task_group import task_group

STALE_S: Final = 600
"""Age of a stale timestamp: twice what Standard Webhooks allows."""


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
    # An OSError of `show`; network errors do not get here.
    async with aiohttp.ClientSession(connector=connector) as session, task_group(OSError) as senders:
        for _ in range(min(plan.concurrency, plan.events)):
            senders.create_task(sender(session))


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
