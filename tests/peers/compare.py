"""Tries the five questions on other projects, and writes the table of all answers into two READMEs.

`make chaos ONLY=five PEERS=1` calls it once hookbus's own answers are good. Each question has a Valkey, two workers and
a journal of its own for each peer; all five run at once, two peers at a time, so it takes about a quarter of an hour,
and five minutes a peer at most.
"""

import asyncio
import shutil
import tempfile
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.chaos.harness import questions
from tests.chaos.harness.questions import Answer, Question
from tests.chaos.harness.trial import run_trial
from tests.peers import report
from tests.peers.subject import Peer
from tests.programs import ROOT

PEERS: Final = ("arq", "celery", "docket", "dramatiq", "faststream", "saq", "streaq", "taskiq")
AT_ONCE: Final = 2
"""Peers at once. All of them wait for leases most of the time."""
LOGS: Final = ROOT / ".hookbus" / "chaos" / "peers"
"""The folder for the workers' output and the journals of the last run."""


@dataclass(slots=True)
class Answers:
    """The answers of one subject. `about` is the description by its clerk."""

    about: dict[str, Any]
    by_question: dict[str, Answer] = field(default_factory=dict)


async def compare(ours: Answers, lasting_s: float, killers: int) -> bool:
    """Try all peers and write the tables. Returns False, and writes nothing, if one of them could not be tried."""
    trials = questions.every(lasting_s, killers)
    shutil.rmtree(LOGS, ignore_errors=True)
    slots = asyncio.Semaphore(AT_ONCE)
    results = await asyncio.gather(*(try_peer(name, trials, slots) for name in PEERS), return_exceptions=True)
    answered = [result for result in results if isinstance(result, Answers)]
    for error in results:
        if isinstance(error, BaseException):
            print("".join(traceback.format_exception(error)), flush=True)
    if len(answered) < len(PEERS):
        return False
    report.write(trials, [ours, *answered])
    return True


async def try_peer(name: str, trials: list[Question], slots: asyncio.Semaphore) -> Answers:
    """Try all questions on one peer."""
    async with slots:
        answers = Answers({})
        folder = Path(tempfile.mkdtemp(prefix=f"hookbus-peer-{name}-"))
        try:
            async with asyncio.TaskGroup() as group:
                for question in trials:
                    group.create_task(try_question(question, name, folder / question.name, answers))
        finally:
            shutil.copytree(folder, LOGS / name, ignore=shutil.ignore_patterns("valkey"))
            shutil.rmtree(folder, ignore_errors=True)
        return answers


async def try_question(question: Question, name: str, folder: Path, answers: Answers) -> None:
    """Try one question on one peer."""
    async with Peer(name, folder) as peer:
        answer = await run_trial(question, peer)
        answers.about = peer.about
        answers.by_question[question.name] = answer
    print(f"  {name:<11} {'ok  ' if answer.is_good else 'fails'} {question.asks}: {answer.text}", flush=True)
