"""The five questions on which other libraries fail, tried on hookbus; with `PEERS=1` on them, too (`tests/peers`)."""

import asyncio
import platform
from collections.abc import Collection, Mapping
from importlib.metadata import version
from typing import Final

from hookbus.shared.connection import connect
from hookbus.shared.valkey import Valkey
from hookbus.worker.dlq.filter import Filter
from hookbus.worker.dlq.query import DeadLetters
from hookbus.worker.duties.heartbeat import TTL_S
from tests.chaos.handlers.question_groups import TYPES
from tests.chaos.harness import questions
from tests.chaos.harness.ledger import Report
from tests.chaos.harness.questions import GARBAGE, Answer, Question
from tests.chaos.harness.scenario import scenario
from tests.chaos.harness.sender import Sender
from tests.chaos.harness.stage import Stage
from tests.chaos.harness.supervised import Supervised
from tests.chaos.harness.trial import run_trial
from tests.peers.compare import Answers, compare
from tests.peers.peer import ATTEMPTS, CONCURRENCY, TIMEOUT_S
from tests.peers.remaining import remaining
from tests.programs import post_until_accepted

TIMES_TTL: Final = 6
KILLERS: Final = 3
SHORT_TIMES_TTL: Final = 1.25
"""Long enough for takeover by idle time to be wrong: workers check every second."""
RESUMED: Final = "resumed after"
MAX_LETTERS: Final = 100
VERSIONS: Final = {name: version(name) for name in ("hookbus", "redis")} | {"Python": platform.python_version()}
SETTINGS: Final = f"`concurrency` {CONCURRENCY}, `timeout` {TIMEOUT_S} s, `Retry(attempts={ATTEMPTS})`, else defaults"
APPS: Final = "tests.chaos.handlers.question_groups"


@scenario("five", "G4, G5, G6: the five questions on which other libraries fail")
async def five_questions(stage: Stage) -> None:
    server = await stage.valkey()
    ingest = await stage.ingest(server.url)
    sender = await stage.sender(ingest)
    for question, kind in TYPES.items():
        stage.ledger.expect(question, kind.__eq__)
    trials = questions.every(TTL_S * stage.scale(TIMES_TTL, SHORT_TIMES_TTL), killers=stage.scale(KILLERS, 1))
    # All at once, each with workers of its own: some jobs kill their workers, others must survive.
    answers = await asyncio.gather(*(run_trial(q, Hookbus(stage, q, server, ingest, sender)) for q in trials))
    for question, answer in zip(trials, answers, strict=True):
        stage.ledger.facts[question.name] = answer.text
        if answer.resumed_s is not None:
            stage.ledger.facts[RESUMED] = f"{answer.resumed_s:.1f} s"
    bad = [f"{q.asks}: {answer.text}; criterion: {q.criterion}" for q, answer in zip(trials, answers, strict=True)
           if not answer.is_good]  # fmt: skip
    assert not bad, "\n  ".join(bad)
    await stage.until_accounted(server)


async def with_peers(report: Report) -> bool:
    """Try them on other projects, and write all answers. `report` is that of hookbus, whose answers were all good."""
    about = {"name": "**hookbus**", "versions": VERSIONS, "settings": SETTINGS}
    resumed_s = float(report.facts[RESUMED].removesuffix(" s"))
    good = {name: Answer(report.facts[name], is_good=True, resumed_s=resumed_s) for name in TYPES}
    return await compare(Answers(about, good), TTL_S * TIMES_TTL, KILLERS)


class Hookbus:
    """hookbus as a subject. Webhook-ids are the names of jobs."""

    record = "dead letter"
    lease_s = TTL_S

    def __init__(self, stage: Stage, question: Question, server: Valkey, ingest: Supervised, sender: Sender) -> None:
        self.who = question.name
        self.ledger = stage.ledger
        self._stage = stage
        self._server = server
        self._ingest = ingest
        self._sender = sender
        self._workers: list[Supervised] = []

    async def send(self, jobs: Mapping[str, str]) -> None:
        """Post an event for each job."""
        kind = TYPES[self.who]
        for name, word in jobs.items():
            if name == GARBAGE:
                await post_until_accepted(self._ingest.program.url, name, b"\xff\xfe no JSON")
                self.ledger.accept(name, kind)
            else:
                await self._sender.send(name, event_type=kind, word=word)

    async def work(self, workers: int) -> None:
        """Start workers of the question's group."""
        environ = {"HOOKBUS_WORKER_GRACE_PERIOD_S": str(TIMEOUT_S + 1)}
        for _ in range(workers):
            app = f"{APPS}:{self.who}"
            self._workers.append(await self._stage.worker(self._server.url, app, is_ready=False, **environ))

    async def dead(self, names: Collection[str]) -> set[str]:
        """The group's dead letters, as `hookbus-worker dlq list` shows them."""
        client = connect(self._server.url, "chaos", connections=1)
        try:
            store = await DeadLetters.open(client, 1)
            if self.who not in store.groups:
                return set()
            page = await store.page(Filter(groups=(self.who,)), MAX_LETTERS)
        finally:
            await client.aclose()
        return {dead.name for dead in page.letters} & set(names)

    async def remaining(self, names: Collection[str]) -> set[str]:
        """The jobs that are anywhere in Redis."""
        client = connect(self._server.url, "chaos", connections=1)
        try:
            return await remaining(client, names)
        finally:
            await client.aclose()

    @property
    def deaths(self) -> int:
        """How many workers ended."""
        return sum(worker.deaths for worker in self._workers)
