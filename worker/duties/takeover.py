"""Takes over the deliveries of consumers that died, and of those that stopped before they could finish.

Checks every second for registered consumers without a liveness key: two commands per group and shard. A process that
ended on the same machine is detected before its key expires. Each stream of a dead consumer then costs one script call.
Once a minute it also looks for consumers that have deliveries but are not registered: a process that was frozen,
declared dead, thawed and killed leaves such deliveries. If this process dies half-way, the claimed deliveries are
pending for it, and are taken over in turn.

After the first takeover deliveries run at once and together, since most deaths have another cause. From the second one
on they are suspects and run in `quarantine`. The death of a quarantine process is noted with the delivery that it ran,
and with no other; after three of them the delivery is dead-lettered.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from redis.exceptions import ResponseError

from ...shared import keys as names
from ...shared import log, scripts
from ...shared.clock import now_ms
from ...shared.connection import FAULTS, Redis
from ...shared.events import BY_TYPE
from ...shared.keys import Keys
from ...shared.pause import pause
from ...shared.pipelined import execute_all
from ..api.delivery import UNKNOWN_TERM, InFlight, member_prefix
from ..inventory.lag import pairs
from ..pipeline.in_flight import in_flight_of
from ..pipeline.read import Reader
from ..pipeline.subscriber import Subscriber
from ..pipeline.unusable_keys import UnusableKeys, is_of_one_key
from ..quarantine.quarantine import Quarantine
from ..quarantine.suspect import FIRST_SUSPICION, is_suspect
from . import same_host
from .heartbeat import TTL_S, Liveness
from .membership import Membership

INTERVAL_S: Final = 1.0
ADOPT_EVERY: Final = 60
"""Rounds between two searches for unregistered consumers."""
QUIET_S: Final = 3.0
"""After so long without a renewal, the liveness key of a process that ended on this machine is deleted. The key decides
in the end, and a process that is alive renews it every two seconds."""
MAX_AT_ONCE: Final = 100
LOOKS: Final = 1000
"""Pending entries of a stream that one call looks at, past suspects that it may not claim: more than a consumer has in
flight by default."""


class Takeover:
    """Takes over for one group in one shard. `runtimes` are the subscriptions that run here, each with its reader."""

    def __init__(
        self,
        *,
        client: Redis,
        keys: Keys,
        group: str,
        consumer: str,
        membership: Membership,
        quarantine: Quarantine,
        runtimes: Sequence[tuple[Reader, Subscriber]],
        liveness: Liveness,
        unusable_keys: UnusableKeys,
        stopping: asyncio.Event,
    ) -> None:
        self._client = client
        self._keys = keys
        self._group = group
        self._consumer = consumer
        self._membership = membership
        self._quarantine = quarantine
        self._runtimes = runtimes
        self._liveness = liveness
        self._unusable_keys = unusable_keys
        self._stopping = stopping
        self._log = log.get("worker.takeover").bind(group=group)

    async def run(self) -> None:
        """Take over until stopping."""
        rounds = 0
        while not self._stopping.is_set():
            is_steady = self._liveness.is_steady()
            try:
                if is_steady and rounds % ADOPT_EVERY == 0:
                    await self._adopt()
                await self._poll()
            except FAULTS as error:
                if is_of_one_key(error):
                    self._unusable_keys.add(self._keys.consumers(self._group), error)
                self._log.debug("takeover_delayed", reason=str(error))
            rounds += is_steady
            await pause(self._stopping, INTERVAL_S)

    async def _poll(self) -> None:
        for dead in await self._dead():
            await self._claim(dead)

    async def _dead(self) -> list[str]:
        """Registered consumers without a liveness key.

        They count as dead only once all consumers that are alive have had time to renew theirs. Consumers whose process
        ended on this machine, and the handover, count at once.
        """
        consumers = await self._client.execute_command("HKEYS", self._keys.consumers(self._group))
        self._unusable_keys.remove(self._keys.consumers(self._group))
        registered = [name for name in map(bytes.decode, consumers) if name != self._consumer]
        if not registered:
            return []
        ended = [name for name in registered if same_host.has_ended(name)]
        await self._lapse(ended)
        own, *alive = await self._client.execute_command("MGET", *map(self._keys.alive, (self._consumer, *registered)))
        # A step of Redis' clock expires our own key with all others. The heartbeat detects the step first, so is_steady
        # is read afterwards.
        is_steady = own is not None and self._liveness.is_steady()
        silent = [name for name, key in zip(registered, alive, strict=True) if key is None]
        return [name for name in silent if is_steady or name in ended or name == names.HANDOVER]

    async def _lapse(self, ended: Sequence[str]) -> None:
        """Delete the liveness keys of consumers whose process ended here, unless they are still renewed."""
        at_most_ms = round((TTL_S - QUIET_S) * 1000)
        calls = [scripts.Call(scripts.LAPSE, (self._keys.alive(name),), (at_most_ms,)) for name in ended]
        if calls:
            await scripts.run_all(self._client, calls)

    async def _claim(self, dead: str) -> None:
        """Claim as many deliveries as there are slots, and suspects as the quarantine has room for; remove the dead
        consumer once it has no more."""
        for reader, subscriber in self._runtimes:
            for stream, (event_type, is_own) in list(reader.streams.items()):
                if reader.is_paused(event_type) or stream in self._unusable_keys:
                    continue  # it can wait where it is
                room = max(0, min(subscriber.slots.free(subscriber.overdue()), MAX_AT_ONCE))
                suspects = self._quarantine.room() if subscriber.slots.is_admitted else 0
                if (room, suspects) == (0, 0) or self._stopping.is_set():
                    break
                taken_over = await self._take(dead, stream, event_type, is_own, room, suspects)
                subscriber.measures.of(event_type).takeovers.value += len(taken_over)
                for in_flight in taken_over:
                    self._begin(in_flight, reader, subscriber)
        streams = await self._all_streams()
        retired = await scripts.run(self._client, retire(self._keys, self._group, dead, streams))
        if retired and dead != names.HANDOVER:
            self._log.warning("consumer_removed", consumer=dead)

    async def _take(
        self, dead: str, stream: str, event_type: str, is_own: bool, room: int, suspects: int
    ) -> list[InFlight]:
        member = member_prefix(event_type, self._group, is_own)
        death = f"{dead}@{now_ms()}" if names.is_quarantined(dead) else ""
        call = scripts.Call(
            scripts.TAKEOVER,
            (stream, self._keys.alive(dead), self._keys.deaths(self._group)),
            (self._group, dead, self._consumer, room, suspects, FIRST_SUSPICION - 1, LOOKS, death, member),
        )
        try:
            taken = await scripts.run(self._client, call)
        except ResponseError as error:
            if not is_of_one_key(error):
                raise
            self._unusable_keys.add(stream, error)
            return []
        if taken:
            self._log.warning("takeover", consumer=dead, type=event_type, deliveries=len(taken))
        return [self._in_flight_of(stream, event_type, is_own, delivery) for delivery in taken]

    def _in_flight_of(self, stream: str, event_type: str, is_own: bool, taken: Sequence[Any]) -> InFlight:
        entry_id, before, deaths, fields = taken
        return in_flight_of(
            stream,
            event_type,
            is_own,
            self._group,
            entry_id,
            fields,
            times_delivered=before + 1,
            term=UNKNOWN_TERM,  # the client has many connections
            deaths=tuple(deaths.decode().split()),
        )

    def _begin(self, in_flight: InFlight, reader: Reader, subscriber: Subscriber) -> None:
        if is_suspect(in_flight):  # it needs no slot, for which the reader would keep it waiting
            self._quarantine.begin(in_flight, subscriber, self._keys, reader)
        else:
            reader.accept(in_flight)

    async def _all_streams(self) -> list[str]:
        """Every stream that any worker of the group may read, including types that only other workers read."""
        types = {*BY_TYPE, *await self._membership.types()}
        types.update(name for reader, _ in self._runtimes for name in reader.types)
        return [
            stream for name in types for stream in (self._keys.stream(name), self._keys.redelivery(name, self._group))
        ]

    async def _adopt(self) -> None:
        """Register consumers that have pending deliveries but are not registered."""
        streams = [stream for reader, _ in self._runtimes for stream in reader.streams]
        commands = [("XINFO", "CONSUMERS", stream, self._group) for stream in streams]
        for reply in await execute_all(self._client, commands, raises=False):
            for consumer in [] if isinstance(reply, Exception) else map(pairs, reply):
                if consumer["pending"]:
                    key = self._keys.consumers(self._group)
                    await self._client.execute_command("HSETNX", key, consumer["name"], "{}")


def retire(keys: Keys, group: str, consumer: str, streams: Sequence[str]) -> scripts.Call:
    """The script call that removes a consumer from a group if it has no pending deliveries."""
    return scripts.Call(
        scripts.RETIRE,
        (keys.consumers(group), keys.alive(consumer), *streams),
        (group, consumer),
    )
