"""Moves parked deliveries that are due to their redelivery streams.

Runs when the next one is due: this process knows of those that it parked, and a look at the shard tells of all others.
When nothing is due, it costs Redis one TIME and one ZRANGE per group, shard and minute. If the process dies half-way,
every delivery is either parked or promoted, as a promotion is one script. A delivery that its stream refuses stays
parked; the others are promoted.
"""

import asyncio
import math
from typing import Final

from ...shared import clock, log, scripts
from ...shared.connection import FAULTS
from ...shared.keys import Keys
from ...shared.pause import pause
from ...shared.pipelined import execute_all
from ...shared.raw_connection import Command
from ..api.delivery import type_of_member
from ..pipeline.group_context import GroupContext
from ..pipeline.unusable_keys import ADD, is_of_one_key
from .look import Lookout
from .membership import OnTypes

RETRY_S: Final = 1.0
"""Between two rounds while Redis fails."""
ROUND_S: Final = 60.0
"""At most between two rounds: `due` may have been deleted by hand."""
REFUSED_MS: Final = 10_000
"""How long a delivery waits that its stream refuses before the next try (a guess: an operator must repair the key)."""
BATCH: Final = 100
"""Deliveries promoted in one script call; keeps the call within a few milliseconds."""


class Promoter:
    """The parked deliveries of one group and shard. `promoted` is called with the types that have redeliveries now."""

    def __init__(self, here: GroupContext, lookout: Lookout, promoted: OnTypes) -> None:
        self._here = here
        self._lookout = lookout
        self._served = lookout.last
        self._promoted = promoted
        self._wake = asyncio.Event()
        self._next_round_ms = 0
        self._log = log.get("worker.promote").bind(group=here.group)
        lookout.subscribe(self._wake.set)

    def expect(self, due_ms: int) -> None:
        """A delivery was parked by this process: run the next round in time."""
        if due_ms < self._next_round_ms:
            self._next_round_ms = due_ms
            self._wake.set()

    async def run(self) -> None:
        """Promote until stopping."""
        while not self._here.stopping.is_set():
            self._next_round_ms = clock.now_ms() + round(ROUND_S * 1000)  # unless one is parked during the round
            try:
                wait_s = await self._round()
            except FAULTS as error:
                if is_of_one_key(error):
                    self._here.unusable_keys.add(self._here.keys.delayed(self._here.group), error)
                self._log.debug("promotion_delayed", reason=str(error))
                wait_s = RETRY_S
            self._served = self._lookout.last
            self._next_round_ms = min(self._next_round_ms, clock.now_ms() + round(wait_s * 1000))
            await self._until_due()

    async def _until_due(self) -> None:
        while not self._here.stopping.is_set() and (wait_ms := self._due_ms() - clock.now_ms()) > 0:
            await pause(self._wake, wait_ms / 1000)
            self._wake.clear()

    def _due_ms(self) -> float:
        """When the next round is due, by what this process knows and by a look later than the last round."""
        look = self._lookout.last
        if look is self._served:
            return self._next_round_ms
        return 0 if look.due_ms is None else min(self._next_round_ms, look.due_ms.get(self._here.group, math.inf))

    async def _round(self) -> float:
        """Promote a batch. Returns the seconds until the next round."""
        key = self._here.keys.delayed(self._here.group)
        # The time of Redis: that of the process may be ahead by a round trip.
        commands: list[Command] = [("TIME",), ("ZRANGE", key, 0, BATCH - 1, "WITHSCORES")]
        time, flat = await execute_all(self._here.client, commands)
        now = clock.redis_ms(time)
        self._here.unusable_keys.remove(key)
        due = [member.decode() for member, score in zip(flat[::2], flat[1::2], strict=True) if float(score) <= now]
        due_ms = self._lookout.last.due_ms or {}
        if due or due_ms.get(self._here.group, now) < now:  # corrects `due` where deliveries were deleted
            await self._promote(due, now)
        if len(due) == BATCH:
            return 0.0
        waiting = [float(score) for score in flat[1::2] if float(score) > now]
        return min(ROUND_S, (waiting[0] - now) / 1000) if waiting else ROUND_S

    async def _promote(self, members: list[str], now: int) -> None:
        names = self._here.keys, self._here.group
        parked = Keys.delayed(*names), Keys.delayed_data(*names), Keys.snoozed(*names), self._here.keys.due
        streams = {name: self._here.keys.redelivery(name, self._here.group) for name in map(type_of_member, members)}
        keys = (*parked, self._here.keys.redeliveries, *(streams[type_of_member(member)] for member in members))
        args: list[scripts.Argument] = [now, now + REFUSED_MS, self._here.group, *members]
        _, *refused = await scripts.run(self._here.client, scripts.Call(scripts.PROMOTE, keys, args))
        reasons = {
            type_of_member(name.decode()): reason.decode(errors="replace")
            for name, reason in zip(refused[::2], refused[1::2], strict=True)
        }
        for name, stream in streams.items():
            if name in reasons:
                self._here.unusable_keys.add(stream, reasons[name], ADD)
            else:
                self._here.unusable_keys.remove(stream, ADD)
        await self._promoted([name for name in streams if name not in reasons])
