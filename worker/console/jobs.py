"""Bulk moves that run in this console: begun by a form, watched by every page, stopped between two batches.

The audit has the beginning of each before it moves anything, and its end; `job_store` shows it to the other consoles.
When a console dies, any other goes on with its jobs: each move is atomic, so nothing is moved twice or lost.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec.structs import replace

from ...shared import log
from ...shared.command import FailedError
from ...shared.connection import FAULTS, Redis
from ...shared.fault import fault_of
from ...shared.pause import pause
from ...shared.settings import ConfigError
from .. import audit
from ..audit import Progress
from ..dlq.bulk import Tally
from ..inventory import registry
from . import job_store, unended
from .job_store import Confirmed, Numbers, Seen, State
from .plans.planned import Move

MAX_RUNNING: Final = 2
"""More would compete for Redis with the deliveries themselves."""
KEPT: Final = 100
"""Ended jobs whose numbers stay in memory; older ones are in the audit."""

STOP_S: Final = 1.0
"""How long a console that is stopped waits for its jobs: one whose Redis hangs must end, too."""

BUG: Final = "the console has failed; its log says why"


@dataclass(slots=True)
class Job:
    """One run of a move. `id` is that of the audit's record of its beginning."""

    id: str
    confirmed: Confirmed
    move: Move
    same: Hashable
    """What the person agreed to: a second form of the same is a double click, and no second job."""
    is_stored: bool
    """Whether Redis holds it, too."""
    state: State = "runs"
    tally: Tally = field(default_factory=Tally)
    error: str = ""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def numbers(self, at_ms: int) -> Numbers:
        """How far it is now."""
        tally = self.tally
        return Numbers(at_ms, self.state, tally.moved, tally.gone, self.error, tally.reached_ms, tally.waits)


class Jobs:
    """The jobs of this process."""

    def __init__(self, client: Redis, has_room: Callable[[], bool], changed: Callable[[], None]) -> None:
        self._client = client
        self._changed = changed
        """Hears that a job has ended: no page shows that beside older figures."""
        self._has_room = has_room
        """Whether Redis has memory for more than what an action needs."""
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

    async def seen(self, job_id: str) -> Seen | None:
        """A job of this console or another; None for old ones. Raises RedisError, OSError."""
        if (stored := await job_store.fetch(self._client, job_id)) is None or job_id in self._jobs:
            if (job := self._jobs.get(job_id)) is None:
                return None
            following = stored.next if stored else ""
            return Seen(job_id, job.confirmed, job.numbers(await registry.now_ms(self._client)), following)
        return stored

    def of(self, same: Hashable) -> Job | None:
        """The job that the same form has begun, which runs or has moved all: it is not begun twice."""
        found = [job for job in self._jobs.values() if job.same == same and job.state in ("runs", "done")]
        return found[-1] if found else None

    async def start(self, move: Move, confirmed: Confirmed, *, same: Hashable = None, after: str = "") -> Job:
        """Record the action and begin to move; `after` is the id of the job that this one goes on with. Raises
        FailedError or ConfigError: then nothing was changed."""
        async with self._starting:
            if same is not None and (begun := self.of(same)) is not None:
                return begun
            if self._is_stopping:
                raise FailedError("this console is being stopped")
            if len(self.running) >= MAX_RUNNING:
                raise FailedError(f"{MAX_RUNNING} moves run already: wait for one, or stop it")
            job = Job(await audit.begin(self._client, confirmed.action), confirmed, move, same, self._has_room())
            if after and not await job_store.claim(self._client, after, job.id):
                job.is_stored = False
                job.stopping.set()
                await self._end(job, None)
                raise FailedError("somebody else went on with it")
            await self._create(job)
            self._keep(job)
            self._begin(self._run(job))
            return job

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task that `stop` waits for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _create(self, job: Job) -> None:
        """Show it to the others. Its action is recorded: that they don't see it is no reason to refuse it."""
        if job.is_stored:
            try:
                await job_store.create(self._client, job.id, job.confirmed)
            except FAULTS as fault:
                job.is_stored = False
                self._log.warning("job_unseen", job=job.id, reason=fault_of(fault).detail)

    def _keep(self, job: Job) -> None:
        self._jobs[job.id] = job
        ended = [each.id for each in self._jobs.values() if each.state != "runs"]
        for job_id in ended[: max(0, len(self._jobs) - KEPT)]:
            del self._jobs[job_id]

    async def stop(self) -> None:
        """Begin none any more, stop all between two batches, and wait until their ends are recorded. Those that Redis
        does not let end within `STOP_S` are interrupted, as by a death of this process."""
        self._is_stopping = True
        try:
            async with asyncio.timeout(STOP_S):
                async with self._starting:
                    for job in self.running:
                        job.stopping.set()
                if self._tasks:
                    await asyncio.wait(self._tasks)
        except TimeoutError:
            for job in self.running:
                self._log.warning("job_interrupted", action=job.confirmed.action.verb, job=job.id)
            for task in self._tasks:
                task.cancel()

    async def _run(self, job: Job) -> None:
        failure: Exception | None = None
        ended = asyncio.Event()
        beating = self._begin(self._beat(job, ended))

        def progressed(tally: Tally) -> None:
            job.tally = replace(tally)

        rate = job.confirmed.rate
        try:
            await job.move.run(rate=rate, stopping=job.stopping, progressed=progressed)
        except (FailedError, ConfigError, *FAULTS) as error:
            failure, job.error = error, str(error)
        except Exception as error:  # noqa: BLE001 - a bug: the job has ended nevertheless, and says so
            self._log.error("job_failed", action=job.confirmed.action.verb, job=job.id, exc_info=error)
            failure, job.error = error, BUG
        ended.set()
        await beating
        await self._end(job, failure)

    async def _beat(self, job: Job, ended: asyncio.Event) -> None:
        """Tell the other consoles how far it is, and hear whether they stop it. A lost beat is made up by the next."""
        while job.is_stored and not ended.is_set():
            await self._tell(job)
            await pause(ended, job_store.BEAT_S)

    async def _tell(self, job: Job) -> None:
        try:
            numbers = job.numbers(await registry.now_ms(self._client))
            if await job_store.beat(self._client, job.id, numbers):
                job.stopping.set()
        except FAULTS:
            return

    async def _end(self, job: Job, failure: Exception | None) -> None:
        """Record how it ended. Its place is free by then, whatever happens here."""
        progress = Progress()
        is_stopped = job.stopping.is_set() and job.tally.done < job.move.moving
        progress.set(job.tally.moved, job.tally.gone, is_stopped=is_stopped and failure is None)
        self._changed()
        job.state = "failed" if failure else "stopped" if is_stopped else "done"
        action = job.confirmed.action
        try:
            await audit.end(self._client, action, job.id, progress, failure)
        except FAULTS as fault:
            unended.warn(action.verb, fault_of(fault).detail)
        if job.is_stored:
            await self._tell(job)
