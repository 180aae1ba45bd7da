"""`hookbus.run_worker`: a worker inside another program, which keeps its signals, its logging and its port.

It has no target that a quarantine process could load: suspects wait for a worker of `hookbus-worker run`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from ..shared import health, log
from ..shared.command import Stopping
from ..shared.lazy_task import lazy_task
from ..shared.listen import Listen
from ..shared.settings import ConfigError
from ..shared.traced import repr_of
from .api.app import App
from .run import checked
from .settings import WorkerSettings, embedded_settings
from .supervise import Worker

_running: list[WorkerSettings] = []
"""Of the one that runs: the metrics of a process are those of one worker."""


async def run_worker(
    apps: Sequence[App],
    *,
    settings: Mapping[str, Any] | None = None,
    only: str = "",
    stopping: asyncio.Event | None = None,
) -> None:
    """Handle the events of these apps until `stopping` is set or the task is cancelled.

    Either way it drains: what runs has `worker.grace_period_s` to finish, the rest is handed over. After a second
    cancellation nothing is written or handed over, as after a kill: handlers have two seconds to clean up, lifespans
    ten to close. `settings` has the keys of hookbus.toml; by default they come from that file and the environment. With
    `worker.ops_listen` set it serves health and metrics, with `log_level` it writes its log to standard error instead
    of the program's. `only`: a pattern that limits the types.

    Raises ConfigError with all problems, FailedError if it can't start, CrashError if it can't go on.
    """
    _check(settings, only, stopping)
    configured, given = embedded_settings(settings)
    groups = checked(_apps(apps), configured, only, "run_worker(only=) ")
    if _running:
        raise ConfigError(["run_worker: one is running in this process already; give all apps to that"])
    if "log_level" in given:
        log.configure(configured.log_level, of_others=False)
    else:
        log.write_to_host()
    _running.append(configured)
    try:
        async with _port(configured.ops_listen if "ops_listen" in given else None) as workers:
            halt = Stopping()
            worker = Worker(configured, groups, only, halt)
            workers.append(worker)
            await _run(worker, halt, stopping or asyncio.Event())
    finally:
        _running.clear()


def _check(settings: object, only: object, stopping: object) -> None:
    """Raises ConfigError for arguments that would fail later, or block the program."""
    checks = (
        ("settings", settings is None or isinstance(settings, Mapping), "a dictionary, as of tomllib.load, is needed"),
        ("only", isinstance(only, str), "a pattern is needed"),
        ("stopping", stopping is None or isinstance(stopping, asyncio.Event), "an asyncio.Event is needed"),
    )
    values = {"settings": settings, "only": only, "stopping": stopping}
    problems = [
        f"run_worker({name}={repr_of(values[name])}): {needed}" for name, is_right, needed in checks if not is_right
    ]
    if problems:
        raise ConfigError(problems)


def _apps(apps: Sequence[App]) -> list[App]:
    """Raises ConfigError for anything but some apps."""
    given = list(apps) if isinstance(apps, list | tuple) else []
    if not given or not all(isinstance(app, App) for app in given):
        raise ConfigError([f"run_worker({repr_of(apps)}): a list of Apps is needed"])
    return given


@contextlib.asynccontextmanager
async def _port(listen: Listen | None) -> AsyncIterator[list[Worker]]:
    """Health and metrics of the worker that is put into the list; before, that it is not ready."""
    workers: list[Worker] = []

    def readiness() -> str:
        return workers[0].readiness() if workers else "starting"

    ops = None if listen is None else await health.serve(listen, False, readiness)
    try:
        yield workers
    finally:
        if ops is not None:
            await ops.cleanup()


async def _run(worker: Worker, halt: Stopping, stopping: asyncio.Event) -> None:
    """Run it in a task of its own, so that a cancellation only begins its stop."""
    working = lazy_task(worker.run(), "hookbus worker")

    async def relay() -> None:
        await stopping.wait()
        halt.set()

    relaying = asyncio.create_task(relay())
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        halt.set()
        await _drained(working)
        raise
    finally:
        relaying.cancel()


async def _drained(working: "asyncio.Task[None]") -> None:
    """Wait for the end of the drain; a second cancellation ends it at once."""
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        raise
