"""The tests that start no server and no process: `make unit` runs them, in seconds.

A module whose tests start one has a name of STARTERS; a single test has a fixture of FIXTURES. A test that this misses
fails, as `make unit` forbids processes.
"""

import asyncio
import sys
from typing import Any, Final, NoReturn

import pytest

STARTERS: Final = {
    "Front",
    "forked",
    "Ingest",
    "Program",
    "Stack",
    "Valkey",
    "Worker",
    "as_shipped",
    "command",
    "guarded",
} | {
    "Launch",
    "moving",
    "multiprocessing",
    "subprocess",
    "users",
}
"""Names in a module of tests that start processes."""
FIXTURES: Final = frozenset({"installed", "own_server", "server"})


def is_unit(item: pytest.Item) -> bool:
    """Whether a test starts no server and no process."""
    if FIXTURES & set(getattr(item, "fixturenames", ())):
        return False
    return not STARTERS & _names(item)


def _names(item: pytest.Item) -> set[str]:
    """The names that its module imports or defines."""
    module = getattr(item, "module", None)
    return set(vars(module)) if module else set()


def forbid_processes() -> None:
    """From now on a test that starts a process fails."""

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("subprocess.Popen", "os.posix_spawn", "os.fork", "os.exec"):
            raise AssertionError(f"a process, in make unit: {arguments[:2]!r}")

    async def refuse_async(*command: Any, **_: Any) -> NoReturn:
        raise AssertionError(f"a process, in make unit: {command!r}")

    sys.addaudithook(refuse)
    asyncio.create_subprocess_exec = asyncio.create_subprocess_shell = refuse_async  # uvloop raises no audit event
