"""The handler of the five questions, for hookbus and its peers: it performs a job and writes a journal.

It runs in other projects' environments too, so it needs the standard library alone.
"""

import asyncio
import os
import time
from pathlib import Path
from typing import Final

from tests.chaos.harness.journal import BEGAN, HANDLED, VARIABLE, Writer

OK: Final = "ok"
FAIL: Final = "fail"
EXIT: Final = "exit"
OK_S: Final = 0.2
EXIT_S: Final = 0.1
"""Later than the start of the innocents beside it, sooner than their end."""

_journal = {}


async def perform(who: str, name: str, word: str, attempt: int = 0) -> None:
    """Perform the job `name`: one of the words above, or a number of seconds to take."""
    _record(BEGAN, who, name, attempt)
    await asyncio.sleep(_seconds(word))
    _end(word)
    _record(HANDLED, who, name, attempt)


def perform_blocking(who: str, name: str, word: str) -> None:
    """`perform` for a thread or a process of its own."""
    _record(BEGAN, who, name, 0)
    time.sleep(_seconds(word))
    _end(word)
    _record(HANDLED, who, name, 0)


def _seconds(word: str) -> float:
    return {OK: OK_S, FAIL: 0.0, EXIT: EXIT_S}[word] if word in (OK, FAIL, EXIT) else float(word)


def _end(word: str) -> None:
    if word == FAIL:
        raise ValueError("the job fails")
    if word == EXIT:
        os._exit(1)


def _record(what: str, who: str, name: str, attempt: int) -> None:
    pid = os.getpid()
    if pid not in _journal:  # a forked worker has a file of its own
        _journal[pid] = Writer(Path(os.environ[VARIABLE]))
    _journal[pid].write(what, who, name, attempt)
