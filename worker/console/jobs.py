"""Bulk moves that run in this console: begun by a form, watched by every page, stopped between two batches.

The audit has the beginning of each before it moves anything, and its end; progress is kept here alone. A console that
dies leaves a record without an end. Each move is atomic, so nothing is moved twice or lost.
"""

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from ...shared import log
from ...shared.command import FailedError
from ...shared.connection import FAULTS, Redis
from ...shared.fault import fault_of
from ...shared.settings import ConfigError
from .. import audit
from ..audit import Action, Progress
from ..dlq import plan as planning
from ..dlq.bulk import Tally
from ..dlq.plan import Plan
from ..dlq.query import DeadLetters

MAX_RUNNING: Final = 2
"""More would compete for Redis with the deliveries themselves."""
KEPT: Final = 100
"""Ended jobs whose numbers stay in memory; older ones are in the audit."""

BUG: Final = "the console has failed; its log says why"

State = Literal["runs", "done", "stopped", "failed"]


@dataclass(slots=True)
class Job:
    """One run of a plan. `id` is that of the audit's record of its beginning."""

    id: str
    action: Action
    plan: Plan
    confirmed: Hashable
    """What the person agreed to: a second form of the same is a double click, and no second job."""
    state: State = "runs"
    tally: Tally = field(default_factory=Tally)
    error: str = ""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def done(self) -> int:
        """Letters that it has come to: moved, or gone before."""
        return self.tally.moved + self.tally.gone


class Jobs:
    """The jobs of this process."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._jobs: dict[str, Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._starting = asyncio.Lock()
        """One begins at a time, so that two forms at once see each other."""
        self._is_stopping = False
        self._log = log.get("worker.console")

    def get(self, job_id: str) -> Job | None:
        """A job of this process; None for those of others, and for old ones."""
        return self._jobs.get(job_id)

    @property
    def running(self) -> Sequence[Job]:
        """Those that have not ended."""
        return [job for job in self._jobs.values() if job.state == "runs"]

    def of(self, confirmed: Hashable) -> Job | None:
        """The job that the same form has begun, which runs or has moved all: it is not begun twice."""
        same = [job for job in self._jobs.values() if job.confirmed == confirmed and job.state in ("runs", "done")]
        return same[-1] if same else None

    async def start(
        self, store: DeadLetters, plan: Plan, action: Action, rate: float, *, confirmed: Hashable = None
    ) -> Job:
        """Record the action and begin to move. Raises FailedError or ConfigError: then nothing was changed."""
        async with self._starting:
            if confirmed is not None and (same := self.of(confirmed)) is not None:
                return same
            if self._is_stopping:
                raise FailedError("this console is being stopped")
            if len(self.running) >= MAX_RUNNING:
                raise FailedError(f"{MAX_RUNNING} moves run already: wait for one, or stop it")
            job = Job(await audit.begin(self._client, action), action, plan, confirmed)
            self._keep(job)
            task = asyncio.create_task(self._run(job, store, rate))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return job

    def _keep(self, job: Job) -> None:
        self._jobs[job.id] = job
        ended = [each.id for each in self._jobs.values() if each.state != "runs"]
        for job_id in ended[: max(0, len(self._jobs) - KEPT)]:
            del self._jobs[job_id]

    async def stop(self) -> None:
        """Begin none any more, stop all between two batches, and wait until their ends are recorded."""
        self._is_stopping = True
        async with self._starting:
            for job in self.running:
                job.stopping.set()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _run(self, job: Job, store: DeadLetters, rate: float) -> None:
        failure: Exception | None = None

        def progressed(tally: Tally) -> None:
            job.tally = Tally(tally.moved, tally.gone)

        try:
            await planning.run(self._client, store, job.plan, rate=rate, stopping=job.stopping, progressed=progressed)
        except (FailedError, ConfigError, *FAULTS) as error:
            failure, job.error = error, str(error)
        except Exception as error:  # noqa: BLE001 - a bug: the job has ended nevertheless, and says so
            self._log.error("job_failed", action=job.action.verb, job=job.id, exc_info=error)
            failure, job.error = error, BUG
        await self._end(job, failure)

    async def _end(self, job: Job, failure: Exception | None) -> None:
        """Record how it ended. Its place is free by then, whatever happens here."""
        progress = Progress()
        is_stopped = job.stopping.is_set() and job.done < job.plan.moving
        progress.set(job.tally.moved, job.tally.gone, is_stopped=is_stopped and failure is None)
        job.state = "failed" if failure else "stopped" if is_stopped else "done"
        try:
            await audit.end(self._client, job.action, job.id, progress, failure)
        except FAULTS as fault:
            self._log.warning("action_unended", action=job.action.verb, reason=fault_of(fault).detail)
