"""Runs plain functions in threads. A thread cannot be stopped: one whose caller is cancelled runs on alone."""

import asyncio
import contextvars
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

Outlived = Callable[["asyncio.Future[Any]"], None]


class Threads:
    """Up to `places` threads, which start when they are needed."""

    def __init__(self, places: int, name: str) -> None:
        self._executor = ThreadPoolExecutor(places, name)

    async def run(self, function: Callable[..., Any], args: tuple[object, ...], outlived: Outlived) -> Any:
        """The result of a call. When this is cancelled, a call that waits for a thread is dropped; of one that runs,
        `outlived` gets the future, and the error the place where the thread is."""
        # A context for each call: otherwise all calls of a thread share one and see the previous call's values.
        thread: list[int] = []
        work = self._executor.submit(contextvars.copy_context().run, _result_of, function, args, thread)
        future = asyncio.wrap_future(work)
        try:
            result, error = await asyncio.shield(future)
        except asyncio.CancelledError as cancelled:
            # A call that still waits for a thread must not run after its attempt was settled as failed.
            if not work.cancel() and not future.done():
                outlived(future)
                raise cancelled.with_traceback(_where(thread)) from None
            raise
        if error is not None:
            raise error
        return result

    def close(self) -> None:
        """Start no more threads; running ones end with the process."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _result_of(
    function: Callable[..., Any], args: tuple[object, ...], thread: list[int]
) -> tuple[Any, BaseException | None]:
    """Result and error as values: a future refuses StopIteration and would never be done. Notes its thread."""
    thread.append(threading.get_ident())
    try:
        return function(*args), None
    except BaseException as error:  # noqa: BLE001 - raised again where it is awaited
        return None, error


def _where(thread: list[int]) -> TracebackType | None:
    """The traceback of the place where a call is in its thread; None if it has just ended."""
    trace, frame = None, sys._current_frames().get(thread[0]) if thread else None
    while frame is not None and frame.f_code is not _result_of.__code__:
        trace = TracebackType(trace, frame, frame.f_lasti, frame.f_lineno or 1)
        frame = frame.f_back
    return trace if frame is not None else None
