"""Runs suspects: deliveries that were in flight in two consumers that died.

Each runs alone in the process: the gate lets no other delivery begin, and the start is first marked in Redis. If the
process dies then, that delivery caused it (`takeover.lua` counts it). Deliveries that were in flight beside a killer
each run alone once, survive, and are handled.

Running alone delays others, so both waits are bounded: running deliveries get `PATIENCE_S` to finish, and after
`ALONE_S` the mark is removed and the gate opens although the suspect still runs. Both grow fourfold with each further
death, so that a delivery that kills late, or beside long handlers, is identified too. Many suspects share the time with
others: after a `SPELL_S` of suspects the gate is open for `OTHERS_S`, long enough for a takeover.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from ...shared import log, scripts
from ...shared.backoff import Reconnect
from ...shared.connection import FAULTS, Redis
from ...shared.keys import Keys
from ..api.delivery import InFlight
from ..pipeline.read import Reader
from ..pipeline.slots import Gate
from ..pipeline.subscriber import Subscriber
from ..pipeline.unusable_keys import is_of_one_key

PATIENCE_S: Final = 2.0
"""A death is detected within 11 s; with this wait a delivery that was taken over still starts within the 15 s of G4."""
ALONE_S: Final = 10.0
GROWTH: Final = 4
FIRST_SUSPICION: Final = 3
"""`times_delivered` at which a delivery becomes a suspect."""
SPELL_S: Final = 2.0
"""Maximum wait at the gate for a delivery that is taken over, after the 11 s until its consumer counts as dead."""
OTHERS_S: Final = 1.5
"""How long the gate is open between two spells: longer than one interval of the takeover (`takeover.INTERVAL_S`)."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A delivery to run alone, with its subscriber and the reader of its type."""

    in_flight: InFlight
    subscriber: Subscriber
    keys: Keys
    reader: Reader

    @property
    def is_held_back(self) -> bool:
        """Whether its type is paused or its circuit breaker is open."""
        return self.reader.is_paused(self.in_flight.delivery.type) or not self.subscriber.slots.is_admitted

    def return_slot(self) -> None:
        """Return the delivery to the reader, without a slot, until it may begin."""
        self.subscriber.slots.return_slot(self.in_flight)
        self.reader.accept(self.in_flight)


class Suspects:
    """The suspects of one process."""

    def __init__(self, client: Redis, consumer: str, gate: Gate) -> None:
        self._client = client
        self._consumer = consumer
        self._gate = gate
        self._queue: asyncio.Queue[Suspect | None] = asyncio.Queue()
        self._followed: set[asyncio.Task[None]] = set()
        self._open_at = math.inf
        self._is_finishing = False
        self._log = log.get("worker.suspects")

    def begin(self, in_flight: InFlight, subscriber: Subscriber, keys: Keys, reader: Reader) -> None:
        """Begin a delivery: at once, or when its turn comes if it is a suspect."""
        if in_flight.times_delivered < FIRST_SUSPICION:
            subscriber.begin(in_flight)
        else:
            self.add(Suspect(in_flight, subscriber, keys, reader))

    def add(self, suspect: Suspect) -> None:
        """Run a delivery when its turn comes. It takes its slot at once."""
        suspect.subscriber.slots.take(suspect.in_flight)
        self._queue.put_nowait(suspect)

    def finish(self) -> None:
        """Start no more suspects; `run` ends when the running one has ended and its mark is removed."""
        self._is_finishing = True
        self._queue.put_nowait(None)

    async def run(self) -> None:
        """Run one after the other until finished or cancelled; suspects that did not run stay pending."""
        try:
            while (suspect := await self._queue.get()) and not self._is_finishing:
                if not suspect.is_held_back:
                    await self._try(suspect)
                else:
                    suspect.return_slot()
                await self._let_others_run()
        finally:
            self._gate.open()
            for task in self._followed:
                task.cancel()

    async def _let_others_run(self) -> None:
        """Open the gate after the last suspect, and for `OTHERS_S` between two once their spell is over."""
        if self._queue.empty():
            self._gate.open()
        elif time.monotonic() >= self._open_at:
            self._gate.open()
            self._open_at = math.inf
            await asyncio.sleep(OTHERS_S)

    async def _try(self, suspect: Suspect) -> None:
        in_flight, subscriber, keys = suspect.in_flight, suspect.subscriber, suspect.keys
        factor = GROWTH ** min(in_flight.times_delivered - FIRST_SUSPICION, 8)
        if self._gate.is_open:
            self._open_at = time.monotonic() + ALONE_S
        is_alone = await self._gate.close(PATIENCE_S * factor)
        if is_alone:
            self._open_at = min(self._open_at, time.monotonic() + SPELL_S)
        if suspect.is_held_back:  # it may have changed while the others finished
            suspect.return_slot()
            return
        group = in_flight.delivery.group
        self._log.info(
            "suspect_started",
            webhook_id=in_flight.delivery.webhook_id,
            type=in_flight.delivery.type,
            source=in_flight.delivery.source,
            group=group,
            deaths=len(in_flight.deaths),
            is_alone=is_alone,
        )
        if is_alone:
            mark = scripts.Call(scripts.MARK, (keys.started(group),), (self._consumer, in_flight.name))
            await self._until_done(lambda: scripts.run(self._client, mark))
        if self._is_finishing:
            await self._until_gone(keys.started(group), self._consumer)
            return
        running = subscriber.begin_alone(in_flight)
        done, _ = await asyncio.wait((running,), timeout=ALONE_S * factor)
        await self._until_gone(keys.started(group), self._consumer)
        if done:
            await self._until_gone(keys.deaths(group), in_flight.name)
        else:
            self._let_run_on(suspect, running)

    def _let_run_on(self, suspect: Suspect, running: "asyncio.Future[None]") -> None:
        """A suspect that takes longer than it may run alone goes on beside others."""
        self._gate.enter()
        running.add_done_callback(lambda _: self._gate.leave())
        self._gate.open()
        follow = asyncio.create_task(self._clear_deaths(suspect, running))
        self._followed.add(follow)
        follow.add_done_callback(self._followed.discard)

    async def _clear_deaths(self, suspect: Suspect, running: "asyncio.Future[None]") -> None:
        await asyncio.wait((running,))
        await self._until_gone(suspect.keys.deaths(suspect.in_flight.delivery.group), suspect.in_flight.name)

    async def _until_gone(self, key: str, field: str) -> None:
        await self._until_done(lambda: self._client.execute_command("HDEL", key, field))

    async def _until_done(self, write: Callable[[], Awaitable[object]]) -> None:
        """Repeat a write until it succeeds: the mark must be right first, however long Redis is unreachable."""
        reconnect = Reconnect()
        while True:
            try:
                await write()
            except FAULTS as error:
                self._log.debug("mark_delayed", reason=str(error))
                if is_of_one_key(error):
                    return  # the key of one group is unusable, and all others wait behind the closed gate
                await asyncio.sleep(reconnect.next_s())
            else:
                return
