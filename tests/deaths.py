"""Ways in which a handler can end its process from within Python, for handlers of the tests."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, NoReturn


async def exit_child_task() -> None:
    await _beside(_exit())


async def exit_in_callback() -> None:
    asyncio.get_running_loop().call_soon(sys.exit, 0)
    await _forever()


async def interrupt_child_task() -> None:
    async def interrupt() -> NoReturn:
        raise KeyboardInterrupt

    await _beside(interrupt())


async def cancel_the_world() -> None:
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await _forever()


async def cancel_one_of_ours() -> None:
    """Cancel the task without which the worker would look healthy and settle nothing."""
    next(task for task in asyncio.all_tasks() if task.get_name() == "OutcomeWriter").cancel()
    await _forever()


async def stop_the_loop() -> None:
    asyncio.get_running_loop().stop()
    await _forever()


async def _exit() -> NoReturn:
    await asyncio.sleep(0.01)
    sys.exit(0)


async def _beside(coroutine: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(coroutine)
    await _forever()
    del task  # the loop itself holds only weak references


async def _forever() -> None:
    await asyncio.Event().wait()


WAYS: Final[dict[str, Callable[[], Awaitable[None]]]] = {
    way.__name__: way
    for way in (
        exit_child_task,
        exit_in_callback,
        interrupt_child_task,
        cancel_the_world,
        cancel_one_of_ours,
        stop_the_loop,
    )
}
