"""Runs suspects: deliveries that were in the hands of two consumers that died.

One at a time, and alone in the process: the gate lets nothing else begin, and its start is marked in Redis first.
When the process dies then, that delivery is to blame and no other (`takeover.lua` counts it). Neighbours that were in
flight beside a killer each get their turn alone, survive it, and are handled.

Alone has a price, so both waits are bounded: others get `PATIENCE_S` to finish, and after `ALONE_S` the mark is taken
back and the gate opens although the suspect still runs. Both grow fourfold with each further death, so that a
delivery that kills late, or among long handlers, is found out too.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from shared import log, scripts
from shared.backoff import Reconnect
from shared.connection import FAULTS
from shared.keys import Keys
from worker.delivery import Held
from worker.read import Reader
from worker.slots import Gate
from worker.subscriber import Subscriber

PATIENCE_S: Final = 2.0
"""A death is noticed within 11 s; with this a taken delivery still starts within G4's 15 s."""
ALONE_S: Final = 10.0
GROWTH: Final = 4
FIRST_SUSPICION: Final = 3
"""Times delivered when a delivery becomes a suspect."""
HELD_BACK_S: Final = 1.0
"""How long a suspect that has to wait lets the others go first."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A delivery to be run alone, by whom, and who reads its type."""

    held: Held
    subscriber: Subscriber
    keys: Keys
    reader: Reader

    @property
    def is_held_back(self) -> bool:
        """Whether it has to wait as the rest of its type does: for the end of a pause, or of its breaker's."""
        return self.reader.is_paused(self.held.delivery.type) or not self.subscriber.slots.lets_through


class Suspects:
    """The suspects of one process."""

    def __init__(self, client: Redis, consumer: str, gate: Gate) -> None:
        self._client = client
        self._consumer = consumer
        self._gate = gate
        self._queue: asyncio.Queue[Suspect] = asyncio.Queue()
        self._running: asyncio.Task[None] | None = None
        self._is_finishing = False
        self._log = log.get("worker.suspects")

    def add(self, suspect: Suspect) -> None:
        """Run a delivery when its turn comes. It takes its slot now."""
        suspect.subscriber.slots.take(suspect.held)
        self._queue.put_nowait(suspect)

    async def finish(self, grace_s: float) -> int:
        """Start no more, and give the one that runs its time; how many were cancelled."""
        self._is_finishing = True
        if self._running is None:
            return 0
        await asyncio.wait((self._running,), timeout=grace_s)
        return int(self._running.cancel())

    async def run(self) -> None:
        """Run one after the other, until cancelled; what did not run stays pending."""
        while not self._is_finishing:
            suspect = await self._queue.get()
            if suspect.is_held_back:
                self._queue.put_nowait(suspect)
                await asyncio.sleep(HELD_BACK_S / self._queue.qsize())
                continue
            try:
                await self._try(suspect)
            finally:
                self._gate.open()

    async def _try(self, suspect: Suspect) -> None:
        held, subscriber, keys = suspect.held, suspect.subscriber, suspect.keys
        factor = GROWTH ** min(held.times_delivered - FIRST_SUSPICION, 8)
        is_alone = await self._gate.close(PATIENCE_S * factor)
        if suspect.is_held_back:  # since we asked the others to leave
            self._queue.put_nowait(suspect)
            return
        group = held.delivery.group
        self._log.info(
            "suspect_started",
            webhook_id=held.delivery.webhook_id,
            type=held.delivery.type,
            source=held.delivery.source,
            group=group,
            deaths=len(held.deaths),
            is_alone=is_alone,
        )
        if is_alone:
            mark = scripts.Call(scripts.MARK, (keys.started(group),), (self._consumer, held.name))
            await self._until_done(lambda: scripts.run(self._client, mark))
        if self._is_finishing:
            await self._until_gone(keys.started(group), self._consumer)
            return
        subscriber.slots.begin()
        self._running = asyncio.create_task(subscriber.attempt(held))
        try:
            done, _ = await asyncio.wait((self._running,), timeout=ALONE_S * factor)
            await self._until_gone(keys.started(group), self._consumer)
            if not done:
                self._gate.open()
            await self._running
        finally:
            self._running.cancel()
        await self._until_gone(keys.deaths(group), held.name)

    async def _until_gone(self, key: str, field: str) -> None:
        await self._until_done(lambda: self._client.execute_command("HDEL", key, field))

    async def _until_done(self, write: Callable[[], Awaitable[object]]) -> None:
        """A mark must be right before anything else happens, however long Redis is away."""
        reconnect = Reconnect()
        while True:
            try:
                await write()
            except FAULTS as error:
                self._log.debug("mark_delayed", reason=str(error))
                await asyncio.sleep(reconnect.next_s())
            else:
                return
