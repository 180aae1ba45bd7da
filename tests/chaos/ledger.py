"""The accounts of a scenario: what was accepted, set against what handlers noted and what lies among the dead letters.

Counts for itself; of hookbus it asks nothing but the names of the dead letters.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from tests.chaos.journal import BEGAN, HANDLED, Journal, Note

Missing = dict[str, set[str]]
"""Group → webhook-ids."""

SHOWN: Final = 5
"""Names in a message."""


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
        self._gone: list[tuple[float, int]] = []
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

    def gone(self, pid: int) -> None:
        """A worker process was killed, or stopped, just now: what it had in hand has to run elsewhere."""
        self._gone.append((time.monotonic(), pid))

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
        """For each delivery that ran in a process when that went: seconds until it began elsewhere."""
        gone: dict[int, list[float]] = defaultdict(list)
        for at_s, pid in self._gone:
            gone[pid].append(at_s)
        waits = []
        for notes in self._notes.values():
            notes.sort()
            for i, note in enumerate(notes):
                if note.what == BEGAN and note.pid in gone:
                    waits += _waits_s(note, notes[i + 1 :], gone[note.pid])
        return waits


def _waits_s(began: Note, later: list[Note], gone: list[float]) -> list[float]:
    """Seconds from when the process went, in which this began, until it began in another; none if it was over."""
    over_at_s = min((note.at_s for note in later if note.pid == began.pid), default=float("inf"))
    cut = [at_s for at_s in gone if began.at_s <= at_s < over_at_s]
    return [n.at_s - cut[0] for n in later if cut and n.what == BEGAN and n.pid != began.pid and n.at_s >= cut[0]][:1]


def shown(missing: Missing) -> str:
    """A message: how many, and some names."""
    return ", ".join(f"{group}: {len(names)} ({' '.join(sorted(names)[:SHOWN])})" for group, names in missing.items())
