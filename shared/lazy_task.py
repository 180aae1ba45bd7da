"""Creates tasks that begin only when the event loop comes round to them, whatever task factory it has.

With `asyncio.eager_task_factory` (Python 3.12), which a program around us may have set, `create_task` runs a coroutine
up to its first wait, or to its end, before the creator has noted the task.
https://docs.python.org/3/library/asyncio-task.html#eager-task-factory
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def lazy_task(
    run: Coroutine[Any, Any, T], name: str | None = None, loop: asyncio.AbstractEventLoop | None = None
) -> "asyncio.Task[T]":
    """A task of the running loop, for creators that note it afterwards.

    Who creates many gives the loop: before Python 3.12 to ask for it is a system call.
    """
    return asyncio.Task(run, loop=loop or asyncio.get_running_loop(), name=name)
