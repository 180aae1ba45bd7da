"""The two ends of a consumer. A stop finishes and hands over; a crash leaves everything as SIGKILL would.

At a stop (SIGTERM) there are no new reads; running deliveries get the grace period; outcomes are written; remaining
deliveries go to the other workers without counting as a death or an attempt; then the consumer leaves its groups.

Any other end is a death: nothing is handed over, so that a delivery that ends its process by an exception is
identified like one that ends it by a signal.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Final

from ..shared import log
from ..shared.connection import FAULTS
from ..shared.pipelined import execute_all
from .consumer import Consumer
from .pipeline.deadline import CANCEL_S
from .pipeline.subscriber import Subscriber

WRITE_GRACE_S: Final = 5.0
"""How long the last outcomes may take to be written."""
HANDOVER_S: Final = 3.0
"""How long each of the two steps of a handover may take."""
FINISH_S: Final = CANCEL_S + WRITE_GRACE_S
"""Maximum duration of `finish` beyond the grace period."""
STOP_S: Final = 15.0
"""Maximum duration of a stop beyond the grace period, while Redis hangs: 2 s to cancel handlers, 5 s for outcomes, 3 s
for the handover, 5 s to delete the liveness key. Supervisors must allow as much."""


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Ends the work of a consumer that reads no more: `finish` and then `leave`, or `die`.

    `release` hands over what is still pending, and returns how many; `retire` removes the consumer from its groups.
    """

    consumer: Consumer
    subscribers: Collection[Subscriber]
    release: Callable[[], Awaitable[int]]
    retire: Callable[[], Awaitable[None]]

    async def finish(self, grace_s: float) -> int:
        """Finish what runs within `grace_s`, and write the outcomes. Returns how many handlers were interrupted."""
        interrupted = await self._end_handlers(grace_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WRITE_GRACE_S):
                await self.consumer.outcome_writer.all_written()
        return interrupted

    async def leave(self, interrupted: int) -> None:
        """Hand over the rest, and leave the groups."""
        # Release before the liveness key is deleted, or others take the deliveries for those of a dead consumer.
        is_released = await self._release(interrupted)
        await asyncio.to_thread(self.consumer.liveness.stop)
        if is_released:
            with contextlib.suppress(*FAULTS):  # else another worker removes this consumer
                async with asyncio.timeout(HANDOVER_S):
                    await self.retire()
                    # Nobody needs to ask what it has left.
                    forgets = [("ZREM", keys.expiries, self.consumer.name) for keys in self.consumer.shards]
                    await execute_all(self.consumer.client, forgets)

    async def die(self) -> None:
        """End as by SIGKILL, except that handlers can clean up: nothing is written, nothing is handed over.

        The crew must be cancelled before, so that no handler cancelled now is settled as failed. The liveness key is
        deleted last, when no handler runs any more; then the others need not wait for its expiry.
        """
        await self._end_handlers(0)
        await asyncio.to_thread(self.consumer.liveness.stop)  # the event loop may be another program's

    async def _end_handlers(self, grace_s: float) -> int:
        interrupted = sum(await asyncio.gather(*(subscriber.finish(grace_s) for subscriber in self.subscribers)))
        for subscriber in self.subscribers:
            subscriber.close()
        return interrupted

    async def _release(self, interrupted: int) -> bool:
        """Hand the rest over; whether that succeeded."""
        logger = log.get("worker")
        try:
            async with asyncio.timeout(HANDOVER_S):
                released = await self.release()
        except FAULTS as error:
            reason = str(error) or type(error).__name__
            logger.warning("handover_failed", reason=reason, effect="others take over within 11 s")
            return False
        if released:
            logger.info("handed_over", deliveries=released, interrupted=interrupted)
        return True
