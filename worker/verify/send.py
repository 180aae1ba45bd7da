"""Posts the events of a verify run as OpenAI does: without a 200 an event is posted again, with the same webhook-id and
a fresh timestamp, until it is accepted or its time is over.

The rate is a schedule: delayed posts catch up, so that it does not drift. The number of concurrent posts and the time
of each are bounded.
"""

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Final

import aiohttp

from ...shared import clock
from ...shared.command import FailedError
from ...shared.destination import Destination
from ...shared.pause import pause
from ...shared.posting import ANSWER_TIMEOUT_S, REDIRECT, Answer, post, signed_request
from ...shared.type_place import with_type
from .ledger import Ledger, is_accepted

REMEDIES: Final = {
    200: "the server that answers is not hookbus-ingest",
    401: "the secret is not one of that source; see --secret and --source",
    403: "this run is not registered where ingest stores, so that is another Redis or database; compare redis_url",
    404: "ingest has no source with this path, or the server is not ingest",
    REDIRECT: "a redirect, which senders do not follow; pass its target as --url",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """The events to post. `rate` is events per second, 0 for no limit; `patience_s` is the time limit of each event."""

    to: Destination
    count: int
    rate: float
    concurrency: int
    patience_s: float


class Sender:
    """The posts of one run. Once `stopping` is set, running posts finish and no other starts."""

    def __init__(self, plan: Plan, ledger: Ledger, session: aiohttp.ClientSession, stopping: asyncio.Event) -> None:
        self._plan = plan
        self._ledger = ledger
        self._session = session
        self._stopping = stopping
        self.unanswered_at_s = -float("inf")
        """Time of the last unanswered post (`time.monotonic`)."""

    async def first(self) -> None:
        """Post the first event, alone. Raises FailedError with the reason when it is not accepted."""
        answer = await self._until_accepted(0)
        if not is_accepted(answer) and not self._stopping.is_set():
            raise FailedError(f"{self._plan.to.url}: {answer.refusal(REMEDIES)}")

    async def others(self) -> None:
        """Post the other events on schedule."""
        numbers = iter(range(1, self._plan.count))
        began_s = time.monotonic()

        async def post_next() -> None:
            for number in numbers:
                if self._plan.rate:
                    await pause(self._stopping, began_s + number / self._plan.rate - time.monotonic())
                if self._stopping.is_set():
                    return
                await self._until_accepted(number)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(self._plan.concurrency, self._plan.count)):
                tasks.create_task(post_next())

    async def _until_accepted(self, number: int) -> Answer:
        """Post one event until it is accepted or cannot be; returns the last answer."""
        give_up_s = time.monotonic() + self._plan.patience_s
        to, body = self._plan.to, self._body(number)
        attempt = 0
        while True:
            request = signed_request(to.key, body, self._ledger.webhook_id(number), names=to.names)
            answer = await post(self._session, to.url, request, timeout_s=ANSWER_TIMEOUT_S)
            now_s = time.monotonic()
            self._ledger.answer(number, answer, now_s)
            if answer.is_unknown:
                self.unanswered_at_s = now_s
            attempt += 1
            wait_s = answer.wait_s(attempt)
            if is_accepted(answer) or self._is_hopeless(answer) or now_s + wait_s > give_up_s:
                return answer
            await pause(self._stopping, wait_s)
            if self._stopping.is_set():
                return answer

    def _is_hopeless(self, answer: Answer) -> bool:
        """Whether no event was accepted yet, and nobody listens, or the refusal is not a transient one."""
        return not self._ledger.accepted and not (answer.may_pass and answer.code != "no_connection")

    def _body(self, number: int) -> bytes:
        name = self._ledger.name
        event = {"id": f"evt_{name}_{number}", "object": "event", "created_at": clock.now_s()}
        event |= {"data": {"id": f"{name}_{number}"}}
        return json.dumps(with_type(event, self._plan.to.type_at, name)).encode()
