"""Takes over the deliveries of consumers that died, and of those that stopped before they could finish.

Asks for the registered consumers without a liveness key once a look at the shard tells that one fell silent or left
deliveries to the others, and then after each look until they hold nothing any more. However many have died, it takes a
few round trips: what they hold (`holdings`), the claims for which there are places, and the removal of those that hold
nothing (`retire`). It also asks once a minute, as the hint may be lost, after it registered the consumers that are not
(`adopt`). If this process dies half-way, the claimed deliveries are pending for it, and are taken over in turn.

After the first takeover deliveries run at once and together, since most deaths have another cause. From the second one
on they are suspects and run in `quarantine`. The death of a quarantine process is noted with the delivery that it ran,
and with no other; after three of them the delivery is dead-lettered.
"""

import asyncio
import functools
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ...shared import keys as names
from ...shared import log, scripts
from ...shared.clock import now_ms
from ...shared.connection import FAULTS
from ...shared.pause import pause
from ..api.delivery import FIRST_SUSPICION, UNKNOWN_TERM
from ..inventory import expiries
from ..pipeline.group_context import GroupContext
from ..pipeline.read import Reader
from ..pipeline.read_streams import ReadStream
from ..pipeline.subscriber import Subscriber
from ..pipeline.unusable_keys import is_of_one_key
from ..quarantine.quarantine import Quarantine
from . import holdings, same_host
from .adopt import adopt
from .heartbeat import Liveness
from .holdings import ENTRIES_READ, Holding
from .look import Lookout
from .retire import all_streams, retire_dead

SEARCH_S: Final = 60.0
"""Between two searches for unregistered consumers, and between two rounds without a hint, which may be lost."""
RETRY_S: Final = 1.0
"""Between two attempts at a search, while Redis fails or consumers may yet renew their keys."""
MAX_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Claim:
    """How many deliveries to claim from a dead consumer, suspects apart from all others."""

    stream: ReadStream
    consumer: str
    ordinary: int
    suspects: int


class Takeover:
    """Takes over what `reader` reads. `subscribers` are those that it reads for."""

    def __init__(
        self,
        here: GroupContext,
        *,
        lookout: Lookout,
        quarantine: Quarantine,
        reader: Reader,
        subscribers: Sequence[Subscriber],
        liveness: Liveness,
    ) -> None:
        self._here = here
        self._lookout = lookout
        self._quarantine = quarantine
        self._reader = reader
        self._subscribers = subscribers
        self._liveness = liveness
        self._wake = asyncio.Event()
        self._known: Mapping[str, float] = {}
        """Whom a look had as expired before the last round."""
        self._is_done = False
        """Whether the last round found all registered consumers alive."""
        self._search_at_s = 0.0
        self._log = log.get("worker.takeover").bind(group=here.group)
        for subscriber in subscribers:
            subscriber.slots.subscribe(functools.partial(self._may_have_place, subscriber))
        lookout.subscribe(self._looked)

    def _may_have_place(self, subscriber: Subscriber) -> None:
        if subscriber.is_owed and subscriber.places.free() > 0:
            self._wake.set()

    def _looked(self) -> None:
        expired = self._lookout.last.expired
        is_stopping = self._here.stopping.is_set()
        if is_stopping or not self._is_done or expired is None or expiries.news(expired, self._known, self._here.group):
            self._wake.set()

    async def run(self) -> None:
        """Take over until stopping: when a look tells of the dead, and at once when a place is free that is owed."""
        while not self._here.stopping.is_set():
            self._wake.clear()
            try:
                await self._search()
                await self._round()
            except FAULTS as error:
                if is_of_one_key(error):
                    self._here.unusable_keys.add(self._here.keys.consumers(self._here.group), error)
                self._log.debug("takeover_delayed", reason=str(error))
                self._reader.recheck()  # a claim may have succeeded whose reply was lost
            await pause(self._wake, max(0.0, self._search_at_s - time.monotonic()))

    async def _search(self) -> None:
        now_s = time.monotonic()
        if now_s < self._search_at_s:
            return
        self._search_at_s = now_s + RETRY_S
        if self._liveness.is_steady():
            await adopt(self._here, self._reader)
            self._search_at_s = now_s + SEARCH_S

    async def _round(self) -> None:
        """Claim what there are places for. Subscriptions with more to claim do that before they read anything new."""
        owed: set[Subscriber] = set()
        self._is_done = False
        try:
            if dead := await self._dead():
                await self._take_over(dead, owed)
        finally:
            for subscriber in self._subscribers:
                subscriber.owe(self._here.keys.shard, is_owed=subscriber in owed)

    async def _take_over(self, dead: Sequence[str], owed: set[Subscriber]) -> None:
        """Claim from all dead consumers, and remove those that hold nothing any more."""
        streams = await all_streams(self._here, self._reader)
        held = await holdings.read(self._here.client, self._here.group, streams, dead)
        for stream, error in held.refused.items():
            if stream in self._reader.streams.all and is_of_one_key(error):
                self._here.unusable_keys.add(stream, error)
        left = Counter(held.counts)
        await self._take(self._claims(held.holdings, owed), left)
        gone = [consumer for consumer in dead if left[consumer] <= 0]
        await retire_dead(self._here, self._reader, gone)

    async def _dead(self) -> list[str]:
        """Registered consumers without a liveness key.

        They count as dead only once all consumers that are alive have had time to renew theirs. Consumers whose process
        ended on this machine, and the handover, count at once.
        """
        expired = self._lookout.last.expired or {}
        execute, keys, me = self._here.client.execute_command, self._here.keys, self._here.consumer
        consumers = await execute("HKEYS", keys.consumers(self._here.group))
        self._here.unusable_keys.remove(keys.consumers(self._here.group))
        registered = [name for name in map(bytes.decode, consumers) if name != me]
        own, *alive = await execute("MGET", *map(keys.alive, (me, *registered)))
        # A step of Redis' clock expires our own key with all others. The heartbeat detects the step first, so is_steady
        # is read afterwards.
        is_steady = own is not None and self._liveness.is_steady()
        silent = [name for name, key in zip(registered, alive, strict=True) if key is None]
        # A liveness key may expire a moment after the hint says so.
        self._known, self._is_done = expired, not silent and expired.keys().isdisjoint(registered)
        return [name for name in silent if is_steady or name == names.HANDOVER or same_host.has_ended(name)]

    def _claims(self, found: Iterable[Holding], owed: set[Subscriber]) -> list[Claim]:
        """As many deliveries as there are places, and as many suspects as the quarantine has room for."""
        rooms = {subscriber: subscriber.places.free() for subscriber in self._subscribers}
        room_of_suspects = self._quarantine.room()
        claims = []
        for holding in found:
            stream = self._reader.streams.all.get(holding.stream)
            if stream is None or stream.is_paused or stream.name in self._here.unusable_keys:
                continue  # it can wait where it is
            subscriber = stream.subscriber
            ordinary = max(0, min(holding.ordinary, rooms[subscriber], MAX_AT_ONCE))
            suspects = min(holding.suspects, room_of_suspects) if subscriber.slots.is_admitted else 0
            if holding.ordinary > ordinary:
                owed.add(subscriber)
            if ordinary or suspects:
                claims.append(Claim(stream, holding.consumer, ordinary, suspects))
                rooms[subscriber] -= ordinary
                room_of_suspects -= suspects
        return claims

    async def _take(self, claims: Sequence[Claim], left: Counter[str]) -> None:
        """Claim in one round trip, begin what was claimed, and subtract it from what is `left` with each consumer."""
        if not claims or self._here.stopping.is_set():
            return
        for claim in claims:
            claim.stream.subscriber.places.reserve(claim.ordinary)
        try:
            replies = await scripts.run_all(self._here.client, [self._call(claim) for claim in claims])
            for claim, taken in zip(claims, replies, strict=True):
                # If it raises, what later claims took is pending here: the reader finds it.
                if self._here.unusable_keys.accepts(claim.stream.name, taken):
                    left[claim.consumer] -= len(taken)
                    self._begin(claim, taken)
        finally:
            for claim in claims:
                claim.stream.subscriber.places.release(claim.ordinary)

    def _call(self, claim: Claim) -> scripts.Call:
        dead, stream, here = claim.consumer, claim.stream, self._here
        death = f"{dead}@{now_ms()}" if names.is_quarantined(dead) else ""
        room = claim.ordinary, claim.suspects, FIRST_SUSPICION - 1, ENTRIES_READ
        return scripts.Call(
            scripts.TAKEOVER,
            (stream.name, here.keys.alive(dead), here.keys.deaths(here.group)),
            (here.group, dead, here.consumer, *room, death, stream.member_prefix),
        )

    def _begin(self, claim: Claim, taken: Sequence[Any]) -> None:
        stream, subscriber = claim.stream, claim.stream.subscriber
        if taken:
            # Deliveries in the handover have only found no place elsewhere.
            write = self._log.debug if claim.consumer == names.HANDOVER else self._log.warning
            write("takeover", consumer=claim.consumer, type=stream.event_type, deliveries=len(taken))
        subscriber.measures.of(stream.event_type).takeovers.value += len(taken)
        for entry_id, before, deaths, fields in taken:
            died = tuple(deaths.decode().split())
            # The client has many connections: the term is that of any.
            subscriber.accept(stream.in_flight(entry_id, fields, UNKNOWN_TERM, times_delivered=before + 1, deaths=died))
