"""An expected failure of a task group is one error for the command line, on every Python."""

import ast
import asyncio
from pathlib import Path

import pytest

from hookbus.shared.settings import ConfigError
from hookbus.shared.task_group import task_group

ROOT = Path(__file__).parents[2]


async def group_of(failures: list[Exception], *expected: type[Exception]) -> None:
    async def fail(error: Exception) -> None:
        raise error

    async with task_group(*expected) as tasks:
        for failure in failures:
            tasks.create_task(fail(failure))
        await asyncio.Event().wait()


async def test_an_expected_failure_is_raised_by_itself():
    with pytest.raises(ConfigError, match="no such key") as caught:
        await group_of([ConfigError(["no such key"])], OSError, ConfigError)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("failures", [[ValueError("bug")], [ConfigError(["no such key"]), ValueError("bug")]])
async def test_a_bug_stays_in_its_group_with_all_that_failed_beside_it(failures: list[Exception]):
    with pytest.raises(ExceptionGroup) as caught:
        await group_of(failures, ConfigError)
    assert list(caught.value.exceptions) == failures


def test_no_program_raises_in_except_star():
    programs = [path for room in ("hookbus", "shared", "ingest", "worker") for path in (ROOT / room).glob("**/*.py")]
    assert len(programs) > 100
    starred = [
        path
        for path in programs
        if any(isinstance(node, ast.TryStar) for node in ast.walk(ast.parse(path.read_text())))
    ]
    assert not starred, "CPython 3.11.2 wraps what is raised there in a group: use shared/task_group.py"
