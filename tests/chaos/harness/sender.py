"""A sender that behaves as OpenAI does: it retries until it gets a 200, with the same webhook-id and a fresh timestamp.

Its waits are short, since a scenario lasts seconds and not days.
"""

import asyncio
import contextlib
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Any, Final

import aiohttp

from tests.chaos.harness.ledger import Ledger
from tests.programs import event_body, signed

FIRST_WAIT_S: Final = 0.05
LONGEST_WAIT_S: Final = 1.0
ANSWER_TIMEOUT_S: Final = 15.0
"""More than ingest takes for any response."""
REPEATED: Final = 0.02
"""Share of accepted events that are posted once more, as OpenAI does when it missed the response."""
DEFAULT_TYPE: Final = "response.completed"


class Sender:
    """Posts to `urls` by turns. Accepted events go into the ledger; `refused` counts all other responses."""

    def __init__(self, urls: Sequence[str], ledger: Ledger, rng: random.Random, *, connections: int = 64) -> None:
        self._urls = itertools.cycle(urls)
        self._ledger = ledger
        self._rng = rng
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections), timeout=aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S)
        )
        self._number = itertools.count()
        self._room = asyncio.Semaphore(connections)
        self.refused: Counter[str] = Counter()
        """How often each code of a response, or each class of a connection error, occurred."""

    async def __aenter__(self) -> "Sender":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def send(self, webhook_id: str = "", event_type: str = DEFAULT_TYPE, **data: Any) -> str:
        """Post one event until it is accepted. `data` goes into the event's `data`. Returns its webhook-id."""
        webhook_id = webhook_id or f"wh_{next(self._number)}"
        body = event_body(event_type, **data)
        wait_s = FIRST_WAIT_S
        while not await self._post(webhook_id, event_type, body):
            await asyncio.sleep(wait_s * (1 + self._rng.random()))
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        if self._rng.random() < REPEATED:
            await self._post(webhook_id, event_type, body)
        return webhook_id

    async def burst(self, count: int, make: Callable[[int], dict[str, Any]] = lambda _: {}) -> None:
        """Send many events as fast as they are accepted. `make` returns the arguments of `send` by number."""
        numbers = iter(range(count))

        async def client() -> None:
            for number in numbers:
                await self.send(**make(number))

        async with asyncio.TaskGroup() as group:
            for _ in range(64):
                group.create_task(client())

    async def load(
        self, rate: float, is_over: Callable[[], bool], make: Callable[[int], dict[str, Any]] = lambda _: {}
    ) -> int:
        """Begin `rate` sends a second until `is_over`, then wait for them all. Returns how many."""
        began_at, count = time.monotonic(), 0
        async with asyncio.TaskGroup() as group:
            while not is_over():
                due = int((time.monotonic() - began_at) * rate)
                for count in range(count, due):  # noqa: B020 - continues where it stopped
                    group.create_task(self._send_in_turn(make(count)))
                count = max(count, due)
                await asyncio.sleep(0.005)
        return count

    @contextlib.asynccontextmanager
    async def flow(self, rate: float, make: Callable[[int], dict[str, Any]] = lambda _: {}) -> AsyncIterator[None]:
        """Send `rate` events a second inside the block; at its end all are accepted, unless an error ended it."""
        is_over = asyncio.Event()
        load = asyncio.create_task(self.load(rate, is_over.is_set, make))
        try:
            yield
            is_over.set()
            await load
        finally:
            load.cancel()

    async def _send_in_turn(self, arguments: dict[str, Any]) -> None:
        async with self._room:
            await self.send(**arguments)

    async def _post(self, webhook_id: str, event_type: str, body: bytes) -> bool:
        try:
            async with self._session.post(next(self._urls), data=body, headers=signed(webhook_id, body)) as answer:
                content = json.loads(await answer.read())
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            self.refused[type(error).__name__] += 1
            return False
        if answer.status == 200:
            self._ledger.accept(webhook_id, event_type)
            return True
        self.refused[content["error"]] += 1
        return False
