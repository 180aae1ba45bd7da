"""A scenario is a name, the promises that it guards, and a coroutine that drives a `Stage`.

The modules in `scenarios/` register theirs with the decorator; the runner and the tests find them here.
"""

import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from tests.chaos import scenarios
from tests.chaos.harness.stage import Stage

Drive = Callable[[Stage], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """`guards` is the promise that is broken when it fails."""

    name: str
    guards: str
    drive: Drive


_REGISTERED: Final[dict[str, Scenario]] = {}


def scenario(name: str, guards: str) -> Callable[[Drive], Drive]:
    """Register a scenario. It raises AssertionError when a check of its own fails, and MissingError for a missing tool;
    the runner checks for losses."""

    def register(drive: Drive) -> Drive:
        assert name not in _REGISTERED, name
        _REGISTERED[name] = Scenario(name, guards, drive)
        return drive

    return register


def every() -> dict[str, Scenario]:
    """All scenarios by name, in the order of their modules' names."""
    for module in sorted(info.name for info in pkgutil.iter_modules(scenarios.__path__)):
        importlib.import_module(f"{scenarios.__name__}.{module}")
    return dict(_REGISTERED)
