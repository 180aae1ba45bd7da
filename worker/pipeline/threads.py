"""Runs plain functions in threads. A thread cannot be stopped: one whose caller is cancelled runs on alone."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

Outlived = Callable[["asyncio.Future[Any]"], None]


class Threads:
    """Up to `places` threads, which start when they are needed."""

    def __init__(self, places: int, name: str) -> None:
        self._executor = ThreadPoolExecutor(places, name)

    async def run(self, function: Callable[..., Any], args: tuple[object, ...], outlived: Outlived) -> Any:
        """The result of a call. When this is cancelled, a call that waits for a thread is dropped; of one that runs,
        `outlived` gets the future."""
        # A context for each call: otherwise all calls of a thread share one and see the previous call's values.
        work = self._executor.submit(contextvars.copy_context().run, _result_of, function, args)
        future = asyncio.wrap_future(work)
        try:
            result, error = await asyncio.shield(future)
        except asyncio.CancelledError:
            # A call that still waits for a thread must not run after its attempt was settled as failed.
            if not work.cancel() and not future.done():
                outlived(future)
            raise
        if error is not None:
            raise error
        return result

    def close(self) -> None:
        """Start no more threads; running ones end with the process."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _result_of(function: Callable[..., Any], args: tuple[object, ...]) -> tuple[Any, BaseException | None]:
    """Result and error as values: a future refuses StopIteration and would never be done."""
    try:
        return function(*args), None
    except BaseException as error:  # noqa: BLE001 - raised again where it is awaited
        return None, error
