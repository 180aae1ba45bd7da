"""`hookbus-worker run`: builds a worker from the names on the command line."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..shared import health
from ..shared.command import CrashExit, FailedError, Stopping, end_now, run_service
from ..shared.connection import FAULTS
from ..shared.events import BY_TYPE
from ..shared.keys import RESERVED
from ..shared.patterns import matches
from ..shared.settings import ConfigError
from ..shared.systemd import Health, SystemdNotifier
from .api.app import App
from .load import load_apps
from .pipeline.routes import Group, build, known_types
from .quarantine.launch import Launch
from .settings import DEFAULT_OPS_LISTEN, WorkerSettings

if TYPE_CHECKING:
    from .reload import Reloader
    from .supervise import Worker


def run_reloading(settings: WorkerSettings, launch: Launch) -> None:
    """Run the apps until stopped, and again after each change. Raises ConfigError without the extra `reload`."""
    from .reload import Reloader

    reloader = Reloader(launch)
    try:
        run(settings, launch, reloader)
    except (ConfigError, FailedError, *FAULTS, SystemExit) as error:
        if isinstance(error, CrashExit):
            error.survive()
        reloader.wait_after(error)
        reloader.start_again()


def run(settings: WorkerSettings, launch: Launch, reloader: "Reloader | None" = None) -> None:
    """Run the apps until stopped. Raises ConfigError, FailedError."""
    groups = groups_of(settings, launch.targets, launch.only)

    async def work(stopping: Stopping) -> None:
        from .supervise import Worker

        worker = Worker(settings, groups, launch.only, stopping, launch)
        if reloader is not None:
            reloader.watch(stopping)
        await _run_alone(worker, settings, stopping)
        if reloader is not None and reloader.has_changed and not stopping.is_by_signal:
            reloader.start_again()
        # A handler that ignores its cancellation must not keep the process alive: its delivery was handed over.
        if worker.has_leftovers():
            end_now(0)

    run_service(work)


async def _run_alone(worker: "Worker", settings: WorkerSettings, stopping: Stopping) -> None:
    """Run a worker that has its process for itself: health and metrics on a port, and reports to systemd."""
    ops = await health.serve(settings.ops_listen, settings.ops_listen == DEFAULT_OPS_LISTEN, worker.readiness)
    notifier = SystemdNotifier(Health(worker.readiness, worker.stall_reason, worker.status))

    async def report_stop() -> None:
        await stopping.wait()
        notifier.stopping()

    reporting = asyncio.create_task(report_stop())
    try:
        with notifier:
            await worker.run()
    finally:
        reporting.cancel()
        await ops.cleanup()


def groups_of(settings: WorkerSettings, targets: Sequence[str], only: str = "") -> list[Group]:
    """The groups of the apps that targets name. Raises ConfigError, FailedError."""
    return checked(load_apps(targets), settings, only)


def checked(apps: Sequence[App], settings: WorkerSettings, only: str = "", option: str = "--only ") -> list[Group]:
    """The groups of some apps, checked against these settings. `option` is how `only` was given, for messages. Raises
    ConfigError."""
    groups = build(apps, settings.handler_timeout_s)
    problems = [*_too_long(groups, settings), *_idle(groups, only, option)]
    if problems:
        raise ConfigError(problems)
    return groups


def _too_long(groups: Sequence[Group], settings: WorkerSettings) -> list[str]:
    return [
        f"worker.grace_period_s: {settings.grace_period_s:g} is not above the timeout of group {group.name},"
        f" {route.pattern!r} ({route.timeout_s:g} s): every stop would interrupt handlers within their timeout"
        for group in groups
        for route in group.routes
        if route.timeout_s >= settings.grace_period_s
    ]


def _idle(groups: Sequence[Group], only: str, option: str = "--only ") -> list[str]:
    """Problems of groups that `only` leaves without any type: a typo in the option."""
    if not only:
        return []
    return [
        f"{option}{only!r}: group {group.name} subscribes to no type that matches"
        for group in groups
        if not any(matches(only, name) for name in known_types(group))
        and not any(_may_match(route.pattern, only) for route in group.routes)
    ]


def _may_match(pattern: str, only: str) -> bool:
    """Whether a wildcard may match future types that `only` matches too."""
    if only.startswith(RESERVED):
        return False
    if pattern == "*":
        return True
    if not pattern.endswith("*") or any(matches(pattern, name) for name in BY_TYPE):
        return False
    return matches(pattern, only.removesuffix("*")) or matches(only, pattern.removesuffix("*"))
