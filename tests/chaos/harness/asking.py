"""Puts a question to whoever is asked, hookbus or another: sends its jobs, starts workers, waits for an end, counts."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Final, Protocol

from tests.chaos.harness.journal import BEGAN, Note
from tests.chaos.harness.ledger import Ledger
from tests.chaos.harness.questions import MAX_STARTS, Answer, Facts, Question
from tests.peers.job import EXIT, FAIL, OK
from tests.wait import until

LIMIT_S: Final = 320.0
"""For one question. Four times the longest lease that anybody is set up with."""
POLL_S: Final = 1.0
START_S: Final = 60.0
"""Far more than any worker takes to begin."""
TRICKLE_S: Final = 2.0
"""Other jobs come meanwhile, all the time: some look after what is left over only when they are given something."""


class Asked(Protocol):
    """One that is asked one question, with a Redis and workers of its own."""

    who: str
    """What its handlers sign their notes with."""
    record: str
    """What it calls its record of failures."""
    lease_s: float
    """After how long it gives up on a worker that is dead."""
    ledger: Ledger

    async def send(self, jobs: Mapping[str, str]) -> None:
        """Hand in jobs: words by name."""

    async def work(self, workers: int) -> None:
        """Start so many workers, which are started again whenever they end."""

    async def dead(self, names: Collection[str]) -> set[str]:
        """Those that its own record of failures names."""

    async def held(self, names: Collection[str]) -> set[str]:
        """Those that are in its Redis still to be done."""

    @property
    def deaths(self) -> int:
        """How many workers ended."""


async def ask(question: Question, asked: Asked) -> Answer:
    """The answer, once all jobs are handled or dead, or nothing happens any more, or it has gone on for too long."""
    if question.is_waiting:
        await asked.send(question.jobs)
    await asked.work(question.workers)
    is_over = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(keep_sending(question, asked, is_over))
        if not question.is_waiting:
            first = other(question, 0)
            await until(lambda: asked.ledger.handled(asked.who)[first], START_S, f"{asked.who} begins")
            await asked.send(question.jobs)
        answer = await until_over(question, asked)
        is_over.set()
    return answer


async def keep_sending(question: Question, asked: Asked, is_over: asyncio.Event) -> None:
    """The other jobs."""
    for number in itertools.count():
        await asked.send({other(question, number): OK})
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(is_over.wait(), TRICKLE_S)
            return


def other(question: Question, number: int) -> str:
    """The name of a job that comes meanwhile."""
    return f"other-{question.name}-{number}"


async def until_over(question: Question, asked: Asked) -> Answer:
    """Look again and again."""
    began_at_s = time.monotonic()
    patience_s = 2.5 * asked.lease_s + _longest_s(question)
    changed_at_s, last = began_at_s, (-1, 0, 0)
    while True:
        await asyncio.sleep(POLL_S)
        facts = await fetch(question, asked, time.monotonic() - began_at_s)
        state = (sum(map(len, facts.notes.values())), facts.deaths, len(facts.dead))
        now_s = time.monotonic()
        if state != last:
            changed_at_s, last = now_s, state
        is_over = now_s - changed_at_s > patience_s or now_s - began_at_s > LIMIT_S
        if is_over or is_settled(question, facts) or is_endless(question, facts):
            return question.answer(facts)


async def fetch(question: Question, asked: Asked, seconds: float) -> Facts:
    """Count. The notes come last: whatever is dead has written all of its own by then."""

    def notes(name: str) -> Sequence[Note]:
        return asked.ledger.notes(asked.who, name)

    open_names = [name for name in question.jobs if all(note.what == BEGAN for note in notes(name))]
    dead = await asked.dead(open_names) if open_names else set()
    waiting = [name for name in open_names if name not in dead]
    held = await asked.held(waiting) if waiting else set()
    return Facts({name: notes(name) for name in question.jobs}, asked.deaths, dead, held, asked.record, seconds)


def is_settled(question: Question, facts: Facts) -> bool:
    """All jobs are handled or dead."""
    return question.jobs.keys() == facts.handled() | set(facts.dead)


def is_endless(question: Question, facts: Facts) -> bool:
    """Some job was started more often than anybody may need, or workers end without any."""
    begun = max(map(facts.begun, question.jobs))
    return begun > MAX_STARTS or (facts.deaths > MAX_STARTS and EXIT not in question.jobs.values())


def _longest_s(question: Question) -> float:
    return max((float(word) for word in question.jobs.values() if word not in (OK, FAIL, EXIT, "")), default=0.0)
