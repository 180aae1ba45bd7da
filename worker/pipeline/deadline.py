"""The time limit of attempts: one timer for all of a subscription, where `asyncio.timeout` sets one for each.

A task that swallows its cancellation is given up: told so `CANCEL_S` later, and left alone.
All have the same limit, so they pass it in the order in which they began; a timer is due for the oldest, and next for
the oldest that is left. A timer for each took a fifth of a worker's time. What a passed deadline does to a task, and
whose cancellation it then is, is as in https://docs.python.org/3/library/asyncio-task.html#asyncio.timeout.
"""

import asyncio
from collections.abc import Callable
from typing import Final

CANCEL_S: Final = 2.0
"""How long a cancelled handler may take to clean up; at a stop it is the same."""


class Deadline:
    """When one attempt has to end."""

    __slots__ = ("_at", "_cancelled_before", "_cleanup", "_task", "has_passed", "is_sole_reason")

    def __init__(self, task: "asyncio.Task[object]", at: float) -> None:
        self._task = task
        self._at = at
        self._cancelled_before = task.cancelling()
        self._cleanup: asyncio.TimerHandle | None = None
        self.has_passed = False
        """The task was cancelled for that."""
        self.is_sole_reason = False
        """Once ended: nobody else cancelled the task meanwhile."""


class Deadlines:
    """`limit_s` is how long each attempt may take. Belongs to the event loop in which it is made.

    `given_up` is called with the task of one that goes on after it was cancelled.
    """

    def __init__(self, limit_s: float) -> None:
        self.given_up: Callable[[asyncio.Task[object]], None] = _nobody
        self._limit_s = limit_s
        self._loop = asyncio.get_running_loop()
        self._running: dict[Deadline, None] = {}
        """The one that passes first stands first."""
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> Deadline:
        """An attempt begins in the running task. `end` must follow in the same one."""
        task = asyncio.current_task(self._loop)  # without the argument it looks for the loop, which takes longer
        assert task is not None
        deadline = Deadline(task, self._loop.time() + self._limit_s)
        self._running[deadline] = None
        if self._timer is None:
            self._timer = self._loop.call_at(deadline._at, self._poll)
        return deadline

    def end(self, deadline: Deadline) -> None:
        """It has ended, for whatever reason."""
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
            first._cleanup = self._loop.call_later(CANCEL_S, self._give_up, first._task)
            first._task.cancel()

    def _give_up(self, task: "asyncio.Task[object]") -> None:
        self.given_up(task)


def _nobody(_: "asyncio.Task[object]") -> None: ...
