"""The two ends of a worker. A stop finishes and hands over; a crash leaves everything as SIGKILL would.

At a stop (SIGTERM) there are no new reads; running deliveries get the grace period; outcomes are written; remaining
deliveries go to the other workers without counting as a death or an attempt; then the consumer leaves its groups.

Any other end is a death: nothing is handed over, so that a delivery that ends its process by an exception is
identified like one that ends it by a signal.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..shared import log
from ..shared.connection import FAULTS
from .crew import CrashError
from .group_runner import GroupRunner, ProcessContext
from .pipeline.deadline import CANCEL_S

WRITE_GRACE_S: Final = 5.0
"""How long the last outcomes may take to be written."""
HANDOVER_S: Final = 3.0
"""How long each of the two steps of a handover may take."""
STOP_S: Final = 15.0
"""Maximum duration of a stop beyond the grace period, while Redis hangs: 2 s to cancel handlers, 5 s for outcomes, 3 s
for the handover, 5 s to delete the liveness key. Supervisors must allow as much."""


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Ends the work of a process; its duties read no more."""

    process: ProcessContext
    runners: Sequence[GroupRunner]

    async def leave(self, *, grace_s: float, writer: "asyncio.Task[None]", quarantine: "asyncio.Task[None]") -> None:
        """Finish what runs within `grace_s`, hand over the rest, leave the groups. Raises CrashError."""
        self.process.quarantine.finish()
        # Its processes stop at the same time, by the same limits.
        children = asyncio.create_task(self.process.quarantine.ended(grace_s + CANCEL_S + WRITE_GRACE_S))
        interrupted = await self._finish(grace_s)
        await self._write_outcomes()
        await children
        await _cancel(writer, quarantine)
        # Release before the liveness key is deleted, or others take the deliveries for those of a dead consumer.
        is_released = await self._release(interrupted)
        await asyncio.to_thread(self.process.liveness.stop)
        if is_released:
            with contextlib.suppress(*FAULTS):  # else another worker removes this consumer
                async with asyncio.timeout(HANDOVER_S):
                    for runner in self.runners:
                        await runner.leave()

    async def die(self) -> None:
        """End as by SIGKILL, except that handlers can clean up: nothing is written, nothing is handed over.

        The crew must be cancelled before, so that no handler cancelled now is settled as failed. The liveness key is
        deleted last, when no handler runs any more; then the others need not wait for its expiry.
        """
        await self._finish(0)
        self.process.liveness.stop()

    async def _finish(self, grace_s: float) -> int:
        """End all handlers. Returns how many were interrupted."""
        subscribers = list(self.process.subscribers.values())
        interrupted = sum(await asyncio.gather(*(subscriber.finish(grace_s) for subscriber in subscribers)))
        for subscriber in subscribers:
            subscriber.close()
        return interrupted

    async def _write_outcomes(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WRITE_GRACE_S):
                await self.process.outcome_writer.all_written()

    async def _release(self, interrupted: int) -> bool:
        """Hand the rest over; whether that succeeded."""
        logger = log.get("worker")
        try:
            async with asyncio.timeout(HANDOVER_S):
                released = sum([await runner.release() for runner in self.runners])
        except FAULTS as error:
            reason = str(error) or type(error).__name__
            logger.warning("handover_failed", reason=reason, effect="others take over within 11 s")
            return False
        if released:
            logger.info("handed_over", deliveries=released, interrupted=interrupted)
        return True


async def _cancel(*tasks: "asyncio.Task[None]") -> None:
    """Cancel tasks. Raises CrashError if one of them failed before."""
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise CrashError(f"failed while stopping: {type(result).__name__}") from result
