"""A task group whose expected failure is raised by itself: the command line handles one error, not a group."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


@contextlib.asynccontextmanager
async def task_group(*expected: type[Exception]) -> AsyncIterator[asyncio.TaskGroup]:
    """As asyncio.TaskGroup; raises the first of the tasks' failures when all of them are expected, else the group.

    Not by `except*`: in CPython 3.11.2 (Debian 12) an exception raised in it is wrapped in a group again.
    """
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except ExceptionGroup as error:
        failures, others = error.split(expected)
        if failures is None or others is not None:
            raise
        raise failures.exceptions[0] from None
