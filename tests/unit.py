"""Which tests start no server and no process: `make unit` runs them, in seconds.

A module whose tests need one names something that starts one; a fixture does so for a single test. Whatever is missed
here fails there, as processes are forbidden meanwhile.
"""

import asyncio
import sys
from typing import Any, Final, NoReturn

import pytest

STARTERS: Final = {"Front", "Ingest", "Program", "Valkey", "Worker", "as_shipped", "command", "guarded", "moving"} | {
    "multiprocessing",
    "subprocess",
    "users",
}
"""Names in a module of tests for what starts processes."""
FIXTURES: Final = frozenset({"installed", "own_server", "server"})


def is_unit(item: pytest.Item) -> bool:
    """Nothing is started for it."""
    if FIXTURES & set(getattr(item, "fixturenames", ())):
        return False
    return not STARTERS & _names(item)


def _names(item: pytest.Item) -> set[str]:
    """Those that its module gives to what it imports or defines."""
    module = getattr(item, "module", None)
    return set(vars(module)) if module else set()


def forbid_processes() -> None:
    """For the rest of this process: a test that starts one fails."""

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("subprocess.Popen", "os.posix_spawn", "os.fork", "os.exec"):
            raise AssertionError(f"a process, in make unit: {arguments[:2]!r}")

    async def refuse_async(*command: Any, **_: Any) -> NoReturn:
        raise AssertionError(f"a process, in make unit: {command!r}")

    sys.addaudithook(refuse)
    asyncio.create_subprocess_exec = asyncio.create_subprocess_shell = refuse_async  # uvloop starts them unheard
