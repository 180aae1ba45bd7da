"""Puts the five questions to other projects, and writes the table of all answers into two READMEs.

`make chaos ONLY=five PEERS=1` comes here once hookbus has answered well itself. Each question to each peer has a
Valkey, two workers and a journal of its own; all five run beside one another, two peers at a time, so it takes about
a quarter of an hour, and five minutes a peer at most.
"""

import asyncio
import shutil
import tempfile
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.chaos.harness import questions
from tests.chaos.harness.asking import ask
from tests.chaos.harness.questions import Answer, Question
from tests.peers import report
from tests.peers.asked import Peer
from tests.programs import ROOT

PEERS: Final = ("arq", "celery", "docket", "dramatiq", "faststream", "saq", "streaq", "taskiq")
AT_ONCE: Final = 2
"""Peers. All of them wait for leases most of the time."""
KEPT: Final = ROOT / ".hookbus" / "chaos" / "peers"
"""What each one's workers said, and the journals, of the last run."""


@dataclass(slots=True)
class Answers:
    """Of one who was asked. `about` is what its clerk says of it."""

    about: dict[str, Any]
    by_question: dict[str, Answer] = field(default_factory=dict)


async def compare(ours: Answers, lasting_s: float, killers: int) -> bool:
    """Ask everybody and write the tables. False when somebody could not be asked: then nothing is written."""
    asked = questions.every(lasting_s, killers)
    shutil.rmtree(KEPT, ignore_errors=True)
    places = asyncio.Semaphore(AT_ONCE)
    found = await asyncio.gather(*(ask_one(name, asked, places) for name in PEERS), return_exceptions=True)
    answered = [answers for answers in found if isinstance(answers, Answers)]
    for error in found:
        if isinstance(error, BaseException):
            print("".join(traceback.format_exception(error)), flush=True)
    if len(answered) < len(PEERS):
        return False
    report.write(asked, [ours, *answered])
    return True


async def ask_one(name: str, asked: list[Question], places: asyncio.Semaphore) -> Answers:
    """All questions to one peer."""
    async with places:
        answers = Answers({})
        folder = Path(tempfile.mkdtemp(prefix=f"hookbus-peer-{name}-"))
        try:
            async with asyncio.TaskGroup() as group:
                for question in asked:
                    group.create_task(put(question, name, folder / question.name, answers))
        finally:
            shutil.copytree(folder, KEPT / name, ignore=shutil.ignore_patterns("valkey"))
            shutil.rmtree(folder, ignore_errors=True)
        return answers


async def put(question: Question, name: str, folder: Path, answers: Answers) -> None:
    """One question to one peer."""
    async with Peer(name, folder) as peer:
        answer = await ask(question, peer)
        answers.about = peer.about
        answers.by_question[question.name] = answer
    print(f"  {name:<11} {'ok  ' if answer.is_good else 'fails'} {question.asks}: {answer.text}", flush=True)
