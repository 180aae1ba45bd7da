"""Runs the lifespans of the apps of one process: opened before it connects to Redis, closed after its last delivery.

Each runs in a task of its own, from its beginning to its end, as task groups and cancel scopes demand, and so that an
error of one does not skip the cleanup of another. All are bounded. One that blocks the event loop can't be cancelled: a
thread ends the process, by then without deliveries.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from ..shared import log
from ..shared.command import EXIT_FAILED, FailedError, end_now
from ..shared.lazy_task import lazy_task
from ..shared.settings import ConfigError
from ..shared.traced import attribute, name_of
from .api.callee import place_of
from .api.lifespan import WRITE
from .crew import CrashError
from .pipeline.app_state import AppState
from .pipeline.cause import describe, innermost_file, is_application, is_unset_variable
from .pipeline.deadline import CANCEL_S
from .pipeline.routes import Group

OPEN_S: Final = 60.0
"""How long all together may take to open: half of what a quarantine process has for its whole start."""
CLOSE_S: Final = 10.0
"""How long they may take to close, if the stop leaves as much: pools wait for their connections."""
BLOCKED_S: Final = 5.0
"""How much longer the event loop may be blocked before the process is ended."""


class Lifespans:
    """The lifespans of some groups. `owns_process`: a thread may end the process if one blocks its event loop."""

    def __init__(self, groups: Sequence[Group], *, owns_process: bool) -> None:
        self._all = [_Lifespan(state) for group in groups for state in group.app_states]
        self._owns_process = owns_process

    @property
    def are_open(self) -> bool:
        """Whether all are open, and none has ended by itself."""
        return all(each.is_open for each in self._all)

    async def open(self, stopping: asyncio.Event) -> bool:
        """Open one after the other. False if stopped meanwhile. Raises FailedError, ConfigError."""
        if not self._all:
            return True
        with self._ending_if_blocked(OPEN_S, "open", lambda each: not each.is_open):
            stop = asyncio.create_task(stopping.wait())
            try:
                async with asyncio.timeout(OPEN_S):
                    for each in self._all:
                        if not await each.open(stop):
                            return False
            except TimeoutError:
                late = [each.name for each in self._all if not each.is_open]
                if late:  # else the last one opened just then
                    raise FailedError(f"{late[0]} did not open within {OPEN_S:g} s") from None
            finally:
                stop.cancel()
        return True

    async def run(self) -> None:
        """Wait until cancelled. Raises CrashError if one ends by itself, as by a failed task of its task group."""
        tasks = [each.task for each in self._all if each.task is not None]
        if not tasks:
            await asyncio.Event().wait()
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        ended = next(each for each in self._all if not each.is_open)
        raise CrashError(f"{ended.name} ended by itself{_said(ended.error)}") from ended.error

    async def close(self, limit_s: float) -> None:
        """Close all that began, at once, within `limit_s` and the time of a cancellation. Raises nothing."""
        begun = [each for each in self._all if each.task is not None]
        if not begun:
            return
        with self._ending_if_blocked(limit_s + CANCEL_S, "close", lambda each: each.is_running):
            await asyncio.gather(*(each.close(limit_s) for each in begun))

    def has_leftovers(self) -> bool:
        """Whether one runs on although it was cancelled, and would keep the process alive."""
        return any(each.is_running for each in self._all)

    def failure(self) -> FailedError | None:
        """After `close`: what went wrong in the first that ended by itself, or did not close well."""
        for each in self._all:
            if each.flaw:
                failure = FailedError(f"{each.name} {each.flaw}{_said(each.error)}")
                failure.__cause__ = each.error
                return failure
        return None

    @contextlib.contextmanager
    def _ending_if_blocked(self, limit_s: float, verb: str, may_block: Callable[["_Lifespan"], bool]) -> Iterator[None]:
        """End the process if the event loop does not come back: what `may_block` then is open or did not `verb`."""

        def end() -> None:
            # They open one after the other, so the first one is it; while they close it may be any.
            found = [each.name for each in self._all if may_block(each)][: 1 if verb == "open" else None]
            reason = f"{' or '.join(found)} blocks the event loop: it did not {verb}"
            log.get("worker.lifespans").error("lifespan_hangs", reason=reason)
            end_now(EXIT_FAILED)

        timer = threading.Timer(limit_s + BLOCKED_S, end)
        timer.daemon = True
        if self._owns_process:
            timer.start()
        try:
            yield
        finally:
            timer.cancel()


class _Lifespan:
    """The lifespan of one app."""

    def __init__(self, state: AppState) -> None:
        self._state = state
        self._has_opened = asyncio.Event()
        self._closing = asyncio.Event()
        self.name = f"the lifespan of group {state.app.group} ({place_of(state.app.lifespan or str)})"
        self.flaw = ""
        """How it ended other than it should, after it had opened."""
        self.task: asyncio.Task[None] | None = None
        self.error: BaseException | None = None

    @property
    def is_open(self) -> bool:
        return self._has_opened.is_set() and self.task is not None and not self.task.done()

    @property
    def is_running(self) -> bool:
        return self.task is not None and not self.task.done()

    async def open(self, stop: "asyncio.Task[Any]") -> bool:
        """False if stopped meanwhile. Raises FailedError, ConfigError."""
        self.task = lazy_task(self._run(), self.name)
        opened = asyncio.create_task(self._has_opened.wait())
        try:
            await asyncio.wait((self.task, opened, stop), return_when=asyncio.FIRST_COMPLETED)
        finally:
            opened.cancel()
        if isinstance(self.error, ConfigError):
            problems = self.error.problems
            raise ConfigError([each if self.name in each else f"{self.name}: {each}" for each in problems])
        if self.error is not None and is_unset_variable(self.error):
            raise ConfigError([f"{self.name} failed{_said(self.error)}"])
        if self.task.done():
            raise FailedError(f"{self.name} failed: {_told(self.error)}")
        return self._has_opened.is_set()

    async def close(self, limit_s: float) -> None:
        """Let it clean up, then cancel it. Raises nothing."""
        assert self.task is not None
        if self.task.done():  # whoever waited for it knows why
            self.flaw = "ended by itself" if self._has_opened.is_set() else ""
            return
        logger = log.get("worker.lifespans")
        self._closing.set()
        if not self._has_opened.is_set():
            self.task.cancel()
        await asyncio.wait((self.task,), timeout=limit_s)
        if not self.task.done():
            self.flaw = f"did not close within {limit_s:.3g} s"
            self.task.cancel()
            logger.error("lifespan_hangs", reason=f"{self.name} {self.flaw}: it is cancelled")
            await asyncio.wait((self.task,), timeout=CANCEL_S)
        elif self.error is not None and self._has_opened.is_set():
            self.flaw = "failed to close"
            reason = f"{self.name} {self.flaw}{_said(self.error)}"
            logger.error("lifespan_failed", reason=reason, exc_info=self.error)

    async def _run(self) -> None:
        """Any error is a value: a SystemExit raised in a task would stop the event loop."""
        try:
            manager = self._state.app.lifespan(self._state.app)  # type: ignore[misc]
            if not (hasattr(type(manager), "__aenter__") and hasattr(type(manager), "__aexit__")):
                raise ConfigError([f"{self.name} returned {name_of(type(manager))}; {WRITE}"])  # noqa: TRY301
            async with manager as value:
                self._state.value = self._state.value if value is None else value
                self._has_opened.set()
                await self._closing.wait()
        except BaseException as error:  # noqa: BLE001 - it is the user's code
            self.error = ConfigError([f"{self.name} yielded nothing; {WRITE}"]) if _yields_nothing(error) else error


def _yields_nothing(error: BaseException) -> bool:
    """Whether a generator ended before its `yield`, as on a branch without one: contextlib raises this then."""
    is_it = type(error) is RuntimeError and error.args == ("generator didn't yield",)
    return is_it and innermost_file(error) == contextlib.__file__


def _said(error: BaseException | None) -> str:
    """`: error (place)`, in one line; "" without an error."""
    if error is None:
        return ""
    cause = describe(error)
    return f": {cause}{f' ({cause.place})' if cause.place else ''}"


def _told(error: BaseException | None) -> str:
    """The error with the user's own line and traceback."""
    if error is None:
        return "it suppressed its own error"
    trace = attribute(error, "__traceback__")
    while trace is not None and not is_application(trace.tb_frame):
        trace = trace.tb_next
    if trace is not None:
        BaseException.with_traceback(error, trace)
    cause = describe(error)
    place = f" ({cause.place})" if cause.place else ""
    return f"{cause}{place}\n{cause.traceback.rstrip()}"
