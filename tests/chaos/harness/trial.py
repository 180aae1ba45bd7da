"""Tries a question on a subject, hookbus or another project: sends jobs, starts workers, waits for an end, counts."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Final, Protocol

from tests.chaos.harness.journal import BEGAN, Entry
from tests.chaos.harness.ledger import Ledger
from tests.chaos.harness.questions import MAX_STARTS, Answer, Facts, Question
from tests.peers.job import EXIT, FAIL, OK
from tests.wait import until

LIMIT_S: Final = 320.0
"""For one question. Four times the longest lease of all subjects."""
POLL_S: Final = 1.0
START_S: Final = 60.0
"""Far more than any worker takes to begin."""
TRICKLE_S: Final = 2.0
"""Between other jobs that are sent meanwhile: some libraries reclaim jobs of dead workers only when new ones arrive."""


class Subject(Protocol):
    """A library that is tried with one question, on a Redis and with workers of its own."""

    who: str
    """The group in the journal entries of its handlers."""
    record: str
    """Its name for its record of failures."""
    lease_s: float
    """Seconds until it considers a silent worker dead."""
    ledger: Ledger

    async def send(self, jobs: Mapping[str, str]) -> None:
        """Send jobs: words by name."""

    async def work(self, workers: int) -> None:
        """Start so many workers, which are restarted whenever they end."""

    async def dead(self, names: Collection[str]) -> set[str]:
        """The jobs that are in its own record of failures."""

    async def remaining(self, names: Collection[str]) -> set[str]:
        """The jobs that are still in its Redis, to be done."""

    @property
    def deaths(self) -> int:
        """How many workers ended."""


async def run_trial(question: Question, subject: Subject) -> Answer:
    """The answer, once all jobs are handled or dead, or nothing happens any more, or `LIMIT_S` has passed."""
    if question.is_waiting:
        await subject.send(question.jobs)
    await subject.work(question.workers)
    is_over = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(keep_sending(question, subject, is_over))
        if not question.is_waiting:
            first = other(question, 0)
            await until(lambda: subject.ledger.handled(subject.who)[first], START_S, f"{subject.who} begins")
            await subject.send(question.jobs)
        answer = await until_over(question, subject)
        is_over.set()
    return answer


async def keep_sending(question: Question, subject: Subject, is_over: asyncio.Event) -> None:
    """Send the other jobs."""
    for number in itertools.count():
        await subject.send({other(question, number): OK})
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(is_over.wait(), TRICKLE_S)
            return


def other(question: Question, number: int) -> str:
    """The name of another job."""
    return f"other-{question.name}-{number}"


async def until_over(question: Question, subject: Subject) -> Answer:
    """Poll until the trial is over."""
    began_at_s = time.monotonic()
    patience_s = 2.5 * subject.lease_s + _longest_s(question)
    changed_at_s, last = began_at_s, (-1, 0, 0)
    while True:
        await asyncio.sleep(POLL_S)
        facts = await fetch(question, subject, time.monotonic() - began_at_s)
        state = (sum(map(len, facts.entries.values())), facts.deaths, len(facts.dead))
        now_s = time.monotonic()
        if state != last:
            changed_at_s, last = now_s, state
        is_over = now_s - changed_at_s > patience_s or now_s - began_at_s > LIMIT_S
        if is_over or is_settled(question, facts) or is_endless(question, facts):
            return question.answer(facts)


async def fetch(question: Question, subject: Subject, seconds: float) -> Facts:
    """Count. The journal is read last: dead jobs have written all their entries by then."""

    def entries(name: str) -> Sequence[Entry]:
        return subject.ledger.entries(subject.who, name)

    open_names = [name for name in question.jobs if all(entry.what == BEGAN for entry in entries(name))]
    dead = await subject.dead(open_names) if open_names else set()
    waiting = [name for name in open_names if name not in dead]
    remaining = await subject.remaining(waiting) if waiting else set()
    return Facts(
        {name: entries(name) for name in question.jobs}, subject.deaths, dead, remaining, subject.record, seconds
    )


def is_settled(question: Question, facts: Facts) -> bool:
    """All jobs are handled or dead."""
    return question.jobs.keys() == facts.handled() | set(facts.dead)


def is_endless(question: Question, facts: Facts) -> bool:
    """Some job was started too often, or workers end without any killer among the jobs."""
    begun = max(map(facts.begun, question.jobs))
    return begun > MAX_STARTS or (facts.deaths > MAX_STARTS and EXIT not in question.jobs.values())


def _longest_s(question: Question) -> float:
    return max((float(word) for word in question.jobs.values() if word not in (OK, FAIL, EXIT, "")), default=0.0)
