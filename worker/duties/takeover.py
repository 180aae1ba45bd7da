"""Takes over the deliveries of consumers that died, and of those that stopped before they could finish.

Asks for the registered consumers without a liveness key once a look at the shard tells that one fell silent or left
deliveries to the others, and then every second until they hold nothing any more. However many have died, it takes a few
round trips: what they hold (`holdings`), the claims for which there are places, and the removal of those that hold
nothing. It also asks once a minute, as the hint may be lost, and then looks for consumers that have deliveries but are
not registered: a process that was frozen, declared dead, thawed and killed leaves such deliveries. If this process dies
half-way, the claimed deliveries are pending for it, and are taken over in turn.

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
from ...shared.connection import FAULTS, Redis
from ...shared.events import BY_TYPE
from ...shared.keys import Keys
from ...shared.pause import pause
from ...shared.pipelined import execute_all
from ..api.delivery import FIRST_SUSPICION, UNKNOWN_TERM, InFlight, member_prefix
from ..inventory import expiries, redeliveries
from ..pipeline.in_flight import in_flight_of
from ..pipeline.read import Reader
from ..pipeline.sources import Source
from ..pipeline.subscriber import Subscriber
from ..pipeline.unusable_keys import UnusableKeys, is_of_one_key
from ..quarantine.quarantine import Quarantine
from . import same_host
from .heartbeat import Liveness
from .holdings import LOOKS, Holding, look
from .look import Lookout

SEARCH_S: Final = 60.0
"""Between two searches for unregistered consumers, and between two rounds without a hint, which may be lost."""
RETRY_S: Final = 1.0
"""Between two attempts at a search, while Redis fails or consumers may yet renew their keys."""
MAX_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Claim:
    """How many deliveries to claim from a dead consumer, suspects apart from all others."""

    source: Source
    consumer: str
    ordinary: int
    suspects: int


class Takeover:
    """Takes over for one group in one shard: what `reader` reads. `subscribers` are those that it reads for."""

    def __init__(
        self,
        *,
        client: Redis,
        lookout: Lookout,
        keys: Keys,
        group: str,
        consumer: str,
        quarantine: Quarantine,
        reader: Reader,
        subscribers: Sequence[Subscriber],
        liveness: Liveness,
        unusable_keys: UnusableKeys,
        stopping: asyncio.Event,
    ) -> None:
        self._client = client
        self._lookout = lookout
        self._keys = keys
        self._group = group
        self._consumer = consumer
        self._quarantine = quarantine
        self._reader = reader
        self._subscribers = subscribers
        self._liveness = liveness
        self._unusable_keys = unusable_keys
        self._stopping = stopping
        self._wake = asyncio.Event()
        self._known: Mapping[str, float] = {}
        """Whom a look had as expired before the last round."""
        self._is_done = False
        """Whether the last round found all registered consumers alive."""
        self._search_at_s = 0.0
        self._log = log.get("worker.takeover").bind(group=group)
        for subscriber in subscribers:
            subscriber.slots.subscribe(functools.partial(self._may_have_place, subscriber))
        lookout.subscribe(self._looked)

    def stop(self) -> None:
        """Wake `run` up so that it ends."""
        self._wake.set()

    def _may_have_place(self, subscriber: Subscriber) -> None:
        if subscriber.is_owed and subscriber.places.free() > 0:
            self._wake.set()

    def _looked(self) -> None:
        expired = self._lookout.last.expired
        if not self._is_done or expired is None or expiries.news(expired, self._known, self._group):
            self._wake.set()

    async def run(self) -> None:
        """Take over until stopping: when a look tells of the dead, and at once when a place is free that is owed."""
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                await self._search()
                await self._round()
            except FAULTS as error:
                if is_of_one_key(error):
                    self._unusable_keys.add(self._keys.consumers(self._group), error)
                self._log.debug("takeover_delayed", reason=str(error))
                self._reader.recheck()  # a claim may have succeeded whose reply was lost
            await pause(self._wake, max(0.0, self._search_at_s - time.monotonic()))

    async def _search(self) -> None:
        now_s = time.monotonic()
        if now_s < self._search_at_s:
            return
        self._search_at_s = now_s + RETRY_S
        if self._liveness.is_steady():
            await self._adopt()
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
                subscriber.owe(self._keys.shard, is_owed=subscriber in owed)

    async def _take_over(self, dead: Sequence[str], owed: set[Subscriber]) -> None:
        """Claim from all dead consumers, and remove those that hold nothing any more."""
        held = await look(self._client, self._group, await self._all_streams(), dead)
        for stream, error in held.refused.items():
            if stream in self._reader.sources and is_of_one_key(error):
                self._unusable_keys.add(stream, error)
        left = Counter(held.counts)
        await self._take(self._claims(held.holdings, owed), left)
        await self._retire([consumer for consumer in dead if left[consumer] <= 0])

    async def _dead(self) -> list[str]:
        """Registered consumers without a liveness key.

        They count as dead only once all consumers that are alive have had time to renew theirs. Consumers whose process
        ended on this machine, and the handover, count at once.
        """
        expired = self._lookout.last.expired or {}
        consumers = await self._client.execute_command("HKEYS", self._keys.consumers(self._group))
        self._unusable_keys.remove(self._keys.consumers(self._group))
        registered = [name for name in map(bytes.decode, consumers) if name != self._consumer]
        own, *alive = await self._client.execute_command("MGET", *map(self._keys.alive, (self._consumer, *registered)))
        # A step of Redis' clock expires our own key with all others. The heartbeat detects the step first, so is_steady
        # is read afterwards.
        is_steady = own is not None and self._liveness.is_steady()
        silent = [name for name, key in zip(registered, alive, strict=True) if key is None]
        # A liveness key may expire a moment after the hint says so.
        self._known, self._is_done = expired, not silent and expired.keys().isdisjoint(registered)
        return [name for name in silent if is_steady or name == names.HANDOVER or same_host.has_ended(name)]

    def _claims(self, holdings: Iterable[Holding], owed: set[Subscriber]) -> list[Claim]:
        """As many deliveries as there are places, and as many suspects as the quarantine has room for."""
        rooms = {subscriber: subscriber.places.free() for subscriber in self._subscribers}
        room_of_suspects = self._quarantine.room()
        claims = []
        for holding in holdings:
            source = self._reader.sources.get(holding.stream)
            if source is None or self._reader.is_paused(source.event_type) or source.name in self._unusable_keys:
                continue  # it can wait where it is
            subscriber = source.subscriber
            ordinary = max(0, min(holding.ordinary, rooms[subscriber], MAX_AT_ONCE))
            suspects = min(holding.suspects, room_of_suspects) if subscriber.slots.is_admitted else 0
            if holding.ordinary > ordinary:
                owed.add(subscriber)
            if ordinary or suspects:
                claims.append(Claim(source, holding.consumer, ordinary, suspects))
                rooms[subscriber] -= ordinary
                room_of_suspects -= suspects
        return claims

    async def _take(self, claims: Sequence[Claim], left: Counter[str]) -> None:
        """Claim in one round trip, begin what was claimed, and subtract it from what is `left` with each consumer."""
        if not claims or self._stopping.is_set():
            return
        for claim in claims:
            claim.source.subscriber.places.reserve(claim.ordinary)
        try:
            replies = await scripts.run_all(self._client, [self._call(claim) for claim in claims])
            for claim, taken in zip(claims, replies, strict=True):
                if isinstance(taken, Exception):
                    if not is_of_one_key(taken):
                        raise taken  # what later claims took is pending here: the reader finds it
                    self._unusable_keys.add(claim.source.name, taken)
                    continue
                left[claim.consumer] -= len(taken)
                self._begin(claim, taken)
        finally:
            for claim in claims:
                claim.source.subscriber.places.release(claim.ordinary)

    def _call(self, claim: Claim) -> scripts.Call:
        dead, source = claim.consumer, claim.source
        member = member_prefix(source.event_type, self._group, source.is_own)
        death = f"{dead}@{now_ms()}" if names.is_quarantined(dead) else ""
        room = claim.ordinary, claim.suspects, FIRST_SUSPICION - 1, LOOKS
        return scripts.Call(
            scripts.TAKEOVER,
            (source.name, self._keys.alive(dead), self._keys.deaths(self._group)),
            (self._group, dead, self._consumer, *room, death, member),
        )

    def _begin(self, claim: Claim, taken: Sequence[Any]) -> None:
        source = claim.source
        if taken:
            # Deliveries in the handover have only found no place elsewhere.
            write = self._log.debug if claim.consumer == names.HANDOVER else self._log.warning
            write("takeover", consumer=claim.consumer, type=source.event_type, deliveries=len(taken))
        source.subscriber.measures.of(source.event_type).takeovers.value += len(taken)
        for delivery in taken:
            source.subscriber.accept(self._in_flight_of(source, delivery))

    def _in_flight_of(self, source: Source, taken: Sequence[Any]) -> InFlight:
        entry_id, before, deaths, fields = taken
        return in_flight_of(
            source.name,
            source.event_type,
            source.is_own,
            self._group,
            entry_id,
            fields,
            times_delivered=before + 1,
            term=UNKNOWN_TERM,  # the client has many connections
            deaths=tuple(deaths.decode().split()),
        )

    async def _retire(self, consumers: Sequence[str]) -> None:
        """Remove dead consumers that hold nothing."""
        streams = await self._all_streams() if consumers else []
        calls = [retire(self._keys, self._group, consumer, streams) for consumer in consumers]
        for consumer, is_removed in zip(consumers, await scripts.run_all(self._client, calls), strict=True):
            if isinstance(is_removed, Exception):
                raise is_removed
            if is_removed and consumer != names.HANDOVER:
                self._log.warning("consumer_removed", consumer=consumer)

    async def _all_streams(self) -> list[str]:
        """Every stream that any worker of the group may read, including types that only other workers read."""
        keys = self._keys
        commands = [("SMEMBERS", keys.types), ("SMEMBERS", keys.redeliveries)]
        types, listed = await execute_all(self._client, commands, raises=False)
        if isinstance(types, Exception):
            raise types
        own = () if isinstance(listed, Exception) else redeliveries.read(listed).get(self._group, ())
        return list(
            {
                *map(keys.stream, (*BY_TYPE, *map(bytes.decode, types))),
                *(keys.redelivery(name, self._group) for name in own),
                *self._reader.sources,
            }
        )

    async def _adopt(self) -> None:
        """Register consumers that have pending deliveries but are not registered."""
        commands = [("XPENDING", stream, self._group) for stream in self._reader.sources]
        replies = await execute_all(self._client, commands, raises=False)
        usable = [reply for reply in replies if not isinstance(reply, Exception)]
        found = sorted({consumer.decode() for reply in usable for consumer, _ in reply[3] or ()})
        key = self._keys.consumers(self._group)
        added = await execute_all(self._client, [("HSETNX", key, consumer, "{}") for consumer in found])
        if adopted := [consumer for consumer, is_new in zip(found, added, strict=True) if is_new]:
            await self._client.execute_command(*expiries.announce(self._keys, adopted))


def retire(keys: Keys, group: str, consumer: str, streams: Sequence[str]) -> scripts.Call:
    """The script call that removes a consumer from a group if it has no pending deliveries."""
    return scripts.Call(
        scripts.RETIRE,
        (keys.consumers(group), keys.alive(consumer), *streams),
        (group, consumer),
    )
