"""The accounts of a scenario: what was accepted, set against what handlers noted and what lies among the dead letters.

Counts for itself; of hookbus it asks nothing but the names of the dead letters.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from tests.chaos.harness.journal import BEGAN, HANDLED, Journal, Note

Missing = dict[str, set[str]]
"""Group → webhook-ids."""

SHOWN: Final = 5
"""Names in a message."""
SAME_DEATH_S: Final = 1.0
"""A kill is told by who kills, and again by who finds the process ended."""


@dataclass(slots=True)
class Report:
    """What a scenario came to. `lost` are deliveries, `duplicates` handled more often than once."""

    events: int = 0
    handled: int = 0
    dead: int = 0
    lost: int = 0
    duplicates: int = 0
    max_takeover_s: float | None = None
    facts: dict[str, str] = field(default_factory=dict)


class Ledger:
    """Accounts by group and webhook-id. A group is due every accepted event, unless `expect` says otherwise."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._due: dict[str, Callable[[str], bool]] = {}
        self._dead: dict[str, set[str]] = defaultdict(set)
        self._forgiven: dict[str, set[str]] = defaultdict(set)
        self._gone: list[tuple[float, frozenset[int]]] = []
        self._notes: dict[tuple[str, str], list[Note]] = defaultdict(list)
        self._handled: dict[str, Counter[str]] = defaultdict(Counter)
        self.accepted: dict[str, str] = {}
        """webhook-id → event type, of each answer 200 `accepted`."""
        self.facts: dict[str, str] = {}
        """What else the report shows: name → figure."""

    def expect(self, group: str, types: Callable[[str], bool] = lambda _: True) -> None:
        """A group must handle every accepted event of these types, or have it as a dead letter."""
        self._due[group] = types

    @property
    def groups(self) -> list[str]:
        """The groups that something is expected of."""
        return list(self._due)

    def accept(self, webhook_id: str, event_type: str) -> None:
        """Ingest answered 200."""
        self.accepted.setdefault(webhook_id, event_type)

    def forgive(self, group: str, webhook_ids: Iterable[str]) -> None:
        """These were destroyed on purpose (a flushed Redis): they are not expected, though they may have come."""
        self._forgiven[group].update(webhook_ids)

    def gone(self, pids: Collection[int]) -> None:
        """A worker was killed, stopped, or ended just now: what it had in hand has to run elsewhere.

        Its process ids are one, or two where it has a pid namespace of its own. Saying it twice is fine.
        """
        at_s = time.monotonic()
        if not any(at_s - before_s < SAME_DEATH_S and pids <= known for before_s, known in self._gone):
            self._gone.append((at_s, frozenset(pids)))

    def bury(self, group: str, webhook_ids: Collection[str]) -> None:
        """These are dead letters of a group."""
        self._dead[group].update(webhook_ids)

    def handled(self, group: str) -> Counter[str]:
        """webhook-id → how often a group handled it."""
        self._read()
        return self._handled[group]

    def notes(self, group: str, webhook_id: str) -> list[Note]:
        """What was noted of one delivery, oldest first."""
        self._read()
        return sorted(self._notes[group, webhook_id])

    def missing(self) -> Missing:
        """What is neither handled nor dead; empty when all is accounted for."""
        self._read()
        found = {
            group: {name for name, kind in self.accepted.items() if is_due(kind)}
            - self._handled[group].keys()
            - self._dead[group]
            - self._forgiven[group]
            for group, is_due in self._due.items()
        }
        return {group: names for group, names in found.items() if names}

    def strangers(self) -> set[str]:
        """What was handled although it was never accepted, as far as the sender knows."""
        self._read()
        return {name for counts in self._handled.values() for name in counts} - self.accepted.keys()

    def report(self) -> Report:
        """The sum of it all."""
        lost = sum(map(len, self.missing().values()))
        return Report(
            events=len(self.accepted),
            handled=sum(counts.total() for counts in self._handled.values()),
            dead=sum(map(len, self._dead.values())),
            lost=lost,
            duplicates=sum(counts.total() - len(counts) for counts in self._handled.values()),
            max_takeover_s=max(self._takeovers_s(), default=None),
            facts=self.facts,
        )

    def _read(self) -> None:
        for note in self._journal.fresh():
            self._notes[note.group, note.webhook_id].append(note)
            if note.what == HANDLED:
                self._handled[note.group][note.webhook_id] += 1

    def _takeovers_s(self) -> list[float]:
        """For each delivery that ran in a process when that went, for the first time: seconds until it ran elsewhere.

        Where another process went meanwhile it may have been the heir, and the wait began anew: that tells nothing.
        From the second time on it is a suspect, which waits for its turn.
        """
        waits = []
        for began, ended in self._first_two():
            if began.what == ended.what == BEGAN and began.pid != ended.pid:
                deaths = [(at_s, pids) for at_s, pids in self._gone if began.at_s <= at_s < ended.at_s]
                if len(deaths) == 1 and began.pid in deaths[0][1]:
                    waits.append(ended.at_s - deaths[0][0])
        return waits

    def _first_two(self) -> Iterator[tuple[Note, Note]]:
        """The first two notes of each attempt that has as many."""
        attempts: dict[tuple[str, str, int], list[Note]] = defaultdict(list)
        for (group, webhook_id), notes in self._notes.items():
            for note in sorted(notes):
                attempts[group, webhook_id, note.attempt].append(note)
        return ((notes[0], notes[1]) for notes in attempts.values() if len(notes) > 1)


def shown(missing: Missing) -> str:
    """A message: how many, and some names."""
    return ", ".join(f"{group}: {len(names)} ({' '.join(sorted(names)[:SHOWN])})" for group, names in missing.items())
