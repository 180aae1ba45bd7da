import asyncio
import os
from typing import NoReturn

import pytest

from hookbus.worker.quarantine import guard
from hookbus.worker.quarantine.guard import Guard


class EndedError(Exception):
    """The end of the process."""


async def watched(monkeypatch, *, parent: int, loop_age_s: float) -> list[str]:
    """What a guard does before it ends the process."""

    def end(code: int) -> NoReturn:
        raise EndedError(code)

    done: list[str] = []
    monkeypatch.setattr(guard, "INTERVAL_S", 0.01)
    monkeypatch.setattr(guard, "end_now", end)
    watch = Guard(
        parent=parent, loop_age_s=lambda: loop_age_s, limit_s=10, stop=lambda: done.append("stop"), stop_s=0.01
    )
    with pytest.raises(EndedError):
        await asyncio.to_thread(watch._run)
    return done


async def test_without_its_worker_a_process_is_told_to_stop_and_ended_if_it_does_not(monkeypatch):
    assert await watched(monkeypatch, parent=os.getpid(), loop_age_s=0) == ["stop"]


async def test_a_process_whose_event_loop_hangs_is_ended(monkeypatch):
    assert await watched(monkeypatch, parent=os.getppid(), loop_age_s=11) == []
