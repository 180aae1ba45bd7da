"""Bulk moves that run in this console: begun by a form, watched by every page, stopped between two batches.

The audit has the beginning of each before it moves anything, and its end; progress is kept here alone. A console that
dies leaves a record without an end: the page of the job then offers the same plan again, of the same moment. Each move
is atomic, so nothing is moved twice or lost.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from ...shared import log
from ...shared.command import FailedError
from ...shared.connection import FAULTS, Redis
from ...shared.fault import fault_of
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

State = Literal["runs", "done", "stopped", "failed"]


@dataclass(slots=True)
class Job:
    """One run of a plan. `id` is that of the audit's record of its beginning."""

    id: str
    action: Action
    plan: Plan
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
        self._log = log.get("worker.console")

    def get(self, job_id: str) -> Job | None:
        """A job of this process; None for those of others, and for old ones."""
        return self._jobs.get(job_id)

    @property
    def running(self) -> Sequence[Job]:
        """Those that have not ended."""
        return [job for job in self._jobs.values() if job.state == "runs"]

    async def start(self, store: DeadLetters, plan: Plan, action: Action, rate: float) -> Job:
        """Record the action and begin to move. Raises FailedError or ConfigError: then nothing was changed."""
        if len(self.running) >= MAX_RUNNING:
            raise FailedError(f"{MAX_RUNNING} moves run already: wait for one, or stop it")
        job = Job(await audit.begin(self._client, action), action, plan)
        self._jobs[job.id] = job
        ended = [each.id for each in self._jobs.values() if each.state != "runs"]
        for job_id in ended[: max(0, len(self._jobs) - KEPT)]:
            del self._jobs[job_id]
        task = asyncio.create_task(self._run(job, store, rate))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job

    async def stop(self) -> None:
        """Stop all between two batches, and wait until their ends are recorded."""
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
        except (FailedError, *FAULTS) as error:
            failure, job.error = error, str(error)
        progress = Progress()
        is_stopped = job.stopping.is_set() and job.done < job.plan.moving
        progress.set(job.tally.moved, job.tally.gone, is_stopped=is_stopped)
        job.state = "failed" if failure else "stopped" if is_stopped else "done"
        try:
            await audit.end(self._client, job.action, job.id, progress, failure)
        except FAULTS as fault:
            self._log.warning("action_unended", action=job.action.verb, reason=fault_of(fault).detail)
