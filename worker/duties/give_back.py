"""Gives deliveries that this process read and cannot begin to the other workers, through the handover.

COUNT of XREADGROUP applies to each stream, so one read may bring more than there are places. What quick handlers take
within a moment stays. The rest is released as at a stop, without counting as an attempt or a death: workers with free
places have it within a second or two, and this one takes it as soon as it has a place, before it reads anything new.
Checks five times a second and costs Redis nothing unless something waits: then one script call a stream. If the process
dies half-way, a delivery is either pending for it or in the handover.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Final

from ...shared import keys, log, scripts
from ...shared.connection import FAULTS, Redis
from ...shared.keys import Keys
from ...shared.pause import pause
from ..api.delivery import InFlight
from ..pipeline.handover import release
from ..pipeline.read import Reader
from ..pipeline.subscriber import Subscriber

GRACE_S: Final = 0.2
"""How long a delivery waits for a place, and a read may still bring some to a subscription that has none left."""


class GiveBack:
    """One per process, for all its subscriptions, and the readers of its groups: shard and group → reader."""

    def __init__(
        self,
        *,
        client: Redis,
        consumer: str,
        subscribers: Sequence[Subscriber],
        readers: Mapping[tuple[Keys, str], Reader],
        stopping: asyncio.Event,
    ) -> None:
        self._client = client
        self._consumer = consumer
        self._subscribers = subscribers
        self._readers = readers
        self._stopping = stopping
        self._log = log.get("worker.give_back")

    async def run(self) -> None:
        """Give back until stopping."""
        while not self._stopping.is_set():
            await pause(self._stopping, GRACE_S)
            full = [subscriber for subscriber in self._subscribers if subscriber.free() <= 0]
            for reader in self._readers.values() if full else ():
                reader.leave_out(full)
            for subscriber in self._subscribers:
                if subscriber.surplus:
                    await self._release(subscriber)

    async def _release(self, subscriber: Subscriber) -> None:
        """Release what has waited too long; also deliveries of paused types, which wait in vain."""
        late = subscriber.surplus.take_before(time.monotonic() - GRACE_S)
        if not late:
            return
        by_stream: dict[str, list[InFlight]] = {}
        for in_flight in late:
            by_stream.setdefault(in_flight.stream, []).append(in_flight)
        group = subscriber.route.group
        calls = [
            release(stream, group, self._consumer, len(some), [in_flight.entry_id for in_flight in some])
            for stream, some in by_stream.items()
        ]
        try:
            results = await scripts.run_all(self._client, calls)
        except FAULTS as error:
            results = [error] * len(calls)
        finally:
            subscriber.surplus.forget(late)
        for stream, result in zip(by_stream, results, strict=True):
            shard = keys.of(stream)
            if isinstance(result, Exception):
                self._log.debug("query_delayed", reason=str(result))
                self._readers[shard, group].recheck()  # what is still pending here begins then
            elif result:  # else there is no news of it, with which a takeover would take the debt back
                subscriber.owe(shard.shard, is_owed=True)
