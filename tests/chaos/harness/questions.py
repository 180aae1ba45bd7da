"""The five questions on which other libraries fail. Each has its jobs, and one criterion for all subjects.

An answer follows from counts alone: journal entries of handlers, ended processes, the subject's own record of failures,
and the jobs that are still in its Redis.
"""

import functools
import itertools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from tests.chaos.harness.journal import BEGAN, HANDLED, Entry
from tests.peers.job import EXIT, FAIL, OK
from tests.peers.peer import ATTEMPTS

MAX_STARTS: Final = 10
"""Of one job that fails or kills. Beyond, the trial ends: the job would go on for ever."""
INNOCENTS: Final = 20
GARBAGE: Final = "garbage"
"""The name of the undecodable job; it has no word."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The counts. `dead` jobs are in the record of failures, `remaining` ones in Redis without being handled or
    dead."""

    entries: Mapping[str, list[Entry]]
    deaths: int
    dead: Collection[str]
    remaining: Collection[str]
    record: str
    seconds: float

    def begun(self, name: str) -> int:
        """How often the handler of a job began."""
        return sum(entry.what == BEGAN for entry in self.entries[name])

    def handled(self, prefix: str = "") -> set[str]:
        """Names of the handled jobs with this prefix."""
        return {
            name
            for name, entries in self.entries.items()
            if name.startswith(prefix) and any(entry.what == HANDLED for entry in entries)
        }

    def max_at_once(self, name: str) -> int:
        """How many handlers of one job ran at once, at most."""
        max_running = running = 0
        for entry in sorted(self.entries[name]):
            running += 1 if entry.what == BEGAN else -1
            max_running = max(max_running, running)
        return max_running

    def longest_wait_s(self, name: str) -> float | None:
        """The longest time in seconds between two starts of a job that ended its worker; None after one start."""
        starts_s = sorted(entry.at_s for entry in self.entries[name] if entry.what == BEGAN)
        return max((later - sooner for sooner, later in itertools.pairwise(starts_s)), default=None)

    def end_of(self, name: str) -> str:
        """The whereabouts of a job that was not handled."""
        if name in self.dead:
            return self.record
        return "left in Redis, no failure recorded" if name in self.remaining else "lost silently"


@dataclass(frozen=True, slots=True)
class Answer:
    """The result in words, and whether it meets the criterion. `resumed_s` is the longest wait of a job that lost its
    worker, if it was measured."""

    text: str
    is_good: bool
    resumed_s: float | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """`jobs` are words by name. With `is_waiting` they are stored before the first worker starts, to be fetched at
    once; else the workers have begun with others. `workers` is the number of processes: one, so that it has all jobs in
    flight, or two, so that another one could take them over."""

    name: str
    asks: str
    criterion: str
    jobs: Mapping[str, str]
    answer: Callable[[Facts], Answer]
    is_waiting: bool = False
    workers: int = 1


def harmless(prefix: str) -> dict[str, str]:
    """Twenty jobs that succeed. Names are unique over all questions."""
    return {f"{prefix}-{number}": OK for number in range(INNOCENTS)}


def every(lasting_s: float, killers: int) -> list[Question]:
    """The five. The handler of the fourth takes `lasting_s`; the fifth has `killers` killers."""
    return [
        Question(
            "undecodable",
            "an event that can't be decoded",
            f"the record of failures names it, no process ends, and the {INNOCENTS} events behind it are handled",
            {GARBAGE: ""} | harmless("next"),
            undecodable,
            is_waiting=True,
        ),
        Question(
            "failing",
            "a handler that always raises",
            f"it is tried {ATTEMPTS} times, as set up, and the record of failures names it",
            {"failing": FAIL},
            failing,
        ),
        Question(
            "killing",
            "a handler that kills its process",
            f"it is started {MAX_STARTS} times at most, and the record of failures names it",
            {"killing": EXIT},
            killing,
        ),
        Question(
            "lasting",
            f"a handler that takes {lasting_s:g} s",
            "it is started once and ends well",
            {"lasting": str(lasting_s)},
            lasting,
            workers=2,
        ),
        Question(
            "beside",
            f"{INNOCENTS} innocents beside {killers} killers",
            f"the {INNOCENTS} are handled, and the record of failures names the {killers} and no other",
            harmless("innocent") | {f"killer-{number}": EXIT for number in range(killers)},
            functools.partial(beside, killers),
            is_waiting=True,
        ),
    ]


def undecodable(facts: Facts) -> Answer:
    """The first answer."""
    others = len(facts.handled())
    words = [facts.end_of(GARBAGE)]
    if facts.deaths:
        words.append("crash loop" if facts.deaths >= MAX_STARTS else f"{facts.deaths} processes ended")
    if others < INNOCENTS:
        words.append(f"{others} of {INNOCENTS} behind it handled")
    return Answer("; ".join(words), GARBAGE in facts.dead and not facts.deaths and others == INNOCENTS)


def failing(facts: Facts) -> Answer:
    """The second answer."""
    begun = facts.begun("failing")
    return Answer(_ended(facts, "failing", "tried"), begun == ATTEMPTS and "failing" in facts.dead)


def killing(facts: Facts) -> Answer:
    """The third answer."""
    begun = facts.begun("killing")
    is_good = 0 < begun <= MAX_STARTS and "killing" in facts.dead
    return Answer(_ended(facts, "killing", "started"), is_good, facts.longest_wait_s("killing"))


def lasting(facts: Facts) -> Answer:
    """The fourth answer."""
    begun, at_once = facts.begun("lasting"), facts.max_at_once("lasting")
    is_handled = bool(facts.handled("lasting"))
    if begun == 1 and is_handled:
        return Answer("ran once", is_good=True)
    words = f"started {begun} times, {at_once} at once" if begun > 1 else f"started {begun} times"
    return Answer(words if is_handled else f"{words}; {facts.end_of('lasting')}", is_good=False)


def beside(killers: int, facts: Facts) -> Answer:
    """The fifth answer."""
    handled = len(facts.handled("innocent-"))
    dead = [name for name in facts.dead if name.startswith("innocent-")]
    caught = [name for name in facts.dead if name.startswith("killer-")]
    words = [f"{handled} of {INNOCENTS} handled"]
    if dead:
        words.append(f"{len(dead)} innocents condemned")
    words.append(f"{len(caught)} of {killers} killers found")
    open_names = facts.entries.keys() - facts.handled() - set(facts.dead)
    if waiting := open_names & set(facts.remaining):
        words.append(f"{len(waiting)} left in Redis after {facts.seconds:.0f} s")
    if lost := open_names - waiting:
        words.append(f"{len(lost)} lost silently")
    return Answer(", ".join(words), handled == INNOCENTS and not dead and len(caught) == killers)


def _ended(facts: Facts, name: str, verb: str) -> str:
    begun = facts.begun(name)
    times = f"{verb} {begun} times" if begun != 1 else f"{verb} once"
    if name not in facts.dead and begun > MAX_STARTS:
        return f"no end: {times} in {facts.seconds:.0f} s"
    return f"{times}, then {facts.end_of(name)}"
