"""Runs the tasks of a worker side by side. An unexpected end of any of them is a crash of the process.

A task that is cancelled from outside is a crash too: `asyncio.TaskGroup` treats that as success, and a worker whose
reader or outcome writer was cancelled would look healthy and do nothing.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

from ..shared.lazy_task import lazy_task
from .pipeline.cause import brief


class Duty(Protocol):
    """A task that runs until the worker stops."""

    async def run(self) -> None: ...


class CrashError(Exception):
    """A task of the worker ended unexpectedly; the reason is in `__cause__`."""


class Crew:
    """Duties, which end by themselves at a stop, and background tasks, which run until they are cancelled."""

    def __init__(self) -> None:
        self._duties: set[asyncio.Task[None]] = set()
        self._background: list[asyncio.Task[None]] = []
        self._finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def start(self, run: Coroutine[Any, Any, None], name: str) -> None:
        """Run a duty."""
        task = lazy_task(run, name)
        self._duties.add(task)
        task.add_done_callback(self._duty_ended)

    def start_background(self, run: Coroutine[Any, Any, None], name: str) -> None:
        """Run a task that must last until `end` or `cancel`."""
        task = lazy_task(run, name)
        self._background.append(task)
        task.add_done_callback(self._background_ended)

    async def finished(self) -> None:
        """Wait until every duty has ended by itself. Raises CrashError as soon as a task crashes."""
        await self._finished

    async def end(self) -> None:
        """Cancel the background tasks, after the duties have ended. Raises CrashError if one of them crashed before."""
        for task in self._background:
            task.cancel()
        for result in await asyncio.gather(*self._background, return_exceptions=True):
            if isinstance(result, Exception):
                raise CrashError(f"failed while stopping: {brief(result)}") from result

    def cancel(self) -> None:
        """Cancel all tasks. Their end is no crash from now on."""
        self._finished.cancel()
        for task in (*self._duties, *self._background):
            task.cancel()

    def _duty_ended(self, task: "asyncio.Task[None]") -> None:
        self._duties.discard(task)
        if (crash := _crash_of(task)) is not None:
            self._crashed(crash)
        elif not self._duties and not self._finished.done():
            self._finished.set_result(None)

    def _background_ended(self, task: "asyncio.Task[None]") -> None:
        self._crashed(_crash_of(task) or CrashError(f"{task.get_name()} ended"))

    def _crashed(self, crash: CrashError) -> None:
        """Report the first crash; later ones mostly follow from it."""
        if not self._finished.done():
            self._finished.set_exception(crash)


def _crash_of(task: "asyncio.Task[None]") -> CrashError | None:
    if task.cancelled():
        return CrashError(f"{task.get_name()} was cancelled from outside")
    error = task.exception()
    if error is None:
        return None
    if isinstance(error, CrashError):
        return error  # it says more than the name of its task
    crash = CrashError(f"{task.get_name()} failed: {brief(error)}")
    crash.__cause__ = error
    return crash
