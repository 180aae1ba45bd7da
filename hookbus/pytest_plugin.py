"""A fixture for pytest: `pytest_plugins = ["hookbus.pytest_plugin"]` in your conftest.py.

It is no entry point of pytest: pytest would then load it, and rewrite the modules of hookbus, in all test runs.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from .testing import Stack


class StartStack(Protocol):
    """Starts a `Stack` that ends with the test."""

    def __call__(self, *targets: str, cwd: Path | None = None, environ: dict[str, str] | None = None) -> Stack: ...


@pytest.fixture
def hookbus_stack() -> Iterator[StartStack]:
    """Ingest and a worker as processes: `stack = hookbus_stack("myservice.handlers:billing")`."""
    with ExitStack() as ends:

        def start(*targets: str, cwd: Path | None = None, environ: dict[str, str] | None = None) -> Stack:
            return ends.enter_context(Stack(*targets, cwd=cwd, environ=environ))

        yield start
