"""The time limit of attempts, with one timer for a whole subscription; `asyncio.timeout` sets one for each task.

All attempts of a subscription have the same limit and pass it in the order in which they began, so the timer is always
set for the oldest one. A timer for each took a fifth of a worker's time. A task that still runs `CANCEL_S` after its
cancellation is abandoned. Cancelling a task, and attributing a cancellation to the deadline, follows
https://docs.python.org/3/library/asyncio-task.html#asyncio.timeout.
"""

import asyncio
import itertools
from collections.abc import Callable
from typing import Final

from ..api.around import TIMED_OUT

CANCEL_S: Final = 2.0
"""How long a cancelled handler may take to clean up, after its timeout and at a stop."""


class Deadline:
    """When one attempt has to end."""

    __slots__ = ("_at", "_cancelled_before", "_cleanup", "_task", "has_passed", "is_abandoned", "is_sole_reason")

    def __init__(self, task: "asyncio.Task[object]", at: float) -> None:
        self._task = task
        self._at = at
        self._cancelled_before = task.cancelling()
        self._cleanup: asyncio.TimerHandle | None = None
        self.has_passed = False
        """The task was cancelled because of this deadline."""
        self.is_abandoned = False
        """The task ran on after its cancellation, and its attempt was settled without it."""
        self.is_sole_reason = False
        """After the end of the attempt: no other cancellation of the task was requested."""


class Deadlines:
    """The deadlines of a subscription's attempts, each `limit_s` long. Bound to the event loop that runs at creation.

    `on_abandoned` is called with a task that still runs `CANCEL_S` after its cancellation.
    """

    def __init__(self, limit_s: float) -> None:
        self.on_abandoned: Callable[[asyncio.Task[object]], None] = _ignore
        self._limit_s = limit_s
        self._loop = asyncio.get_running_loop()
        self._running: dict[Deadline, None] = {}
        """In the order in which they pass."""
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> Deadline:
        """An attempt begins in the running task. `end` must follow in the same one."""
        task = asyncio.current_task(self._loop)  # without the argument it looks the loop up, which is slower
        assert task is not None
        deadline = Deadline(task, self._loop.time() + self._limit_s)
        self._running[deadline] = None
        if self._timer is None:
            self._timer = self._loop.call_at(deadline._at, self._poll)
        return deadline

    def oldest(self, count: int) -> list[tuple["asyncio.Task[object]", float]]:
        """The tasks of the attempts that run longest, and when each began, by the clock of the loop.

        From another thread it may raise RuntimeError.
        """
        return [(each._task, each._at - self._limit_s) for each in list(itertools.islice(self._running, count))]

    def end(self, deadline: Deadline) -> None:
        """The attempt has ended, for whatever reason."""
        if deadline.has_passed:
            assert deadline._cleanup is not None
            deadline._cleanup.cancel()
            deadline.is_sole_reason = deadline._task.uncancel() <= deadline._cancelled_before
        else:
            del self._running[deadline]

    def _poll(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._running:
            first = next(iter(self._running))
            if first._at > now:
                self._timer = self._loop.call_at(first._at, self._poll)
                return
            del self._running[first]
            first.has_passed = True
            first._cleanup = self._loop.call_later(CANCEL_S, self._abandon, first)
            first._task.cancel(TIMED_OUT)

    def _abandon(self, deadline: Deadline) -> None:
        deadline.is_abandoned = True
        self.on_abandoned(deadline._task)


def _ignore(_: "asyncio.Task[object]") -> None: ...
