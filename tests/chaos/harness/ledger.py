"""The accounts of a scenario: accepted events against journal entries of handlers and dead letters.

It counts by itself; of hookbus it uses only the names of the dead letters.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from tests.chaos.harness.journal import BEGAN, HANDLED, Entry, Journal

Missing = dict[str, set[str]]
"""Group → webhook-ids."""

SHOWN: Final = 5
"""Webhook-ids in a message."""
SAME_DEATH_S: Final = 1.0
"""A kill is reported by its cause, and again by the supervisor that detects the end of the process."""


@dataclass(slots=True)
class Report:
    """The result of a scenario. `lost` counts deliveries, `duplicates` those that were handled more than once."""

    events: int = 0
    handled: int = 0
    dead: int = 0
    lost: int = 0
    duplicates: int = 0
    max_takeover_s: float | None = None
    facts: dict[str, str] = field(default_factory=dict)


class Ledger:
    """Accounts by group and webhook-id. A group must handle every accepted event of the types in `expect`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._due: dict[str, Callable[[str], bool]] = {}
        self._dead: dict[str, set[str]] = defaultdict(set)
        self._forgiven: dict[str, set[str]] = defaultdict(set)
        self._gone: list[tuple[float, frozenset[int]]] = []
        self._entries: dict[tuple[str, str], list[Entry]] = defaultdict(list)
        self._handled: dict[str, Counter[str]] = defaultdict(Counter)
        self.accepted: dict[str, str] = {}
        """webhook-id → event type, of each answer 200 `accepted`."""
        self.facts: dict[str, str] = {}
        """Further figures of the report, by name."""

    def expect(self, group: str, types: Callable[[str], bool] = lambda _: True) -> None:
        """Require that a group handles every accepted event of these types, or has it as a dead letter."""
        self._due[group] = types

    @property
    def groups(self) -> list[str]:
        """The groups with expectations."""
        return list(self._due)

    def accept(self, webhook_id: str, event_type: str) -> None:
        """Record that ingest answered 200."""
        self.accepted.setdefault(webhook_id, event_type)

    def forgive(self, group: str, webhook_ids: Iterable[str]) -> None:
        """Expect these no longer: they were destroyed on purpose (a flushed Redis); some may have been delivered."""
        self._forgiven[group].update(webhook_ids)

    def process_gone(self, pids: Collection[int]) -> None:
        """Record that a worker was killed, stopped, or ended just now: its deliveries in flight have to run elsewhere.

        It has one process id, or two in a pid namespace of its own. A second call has no effect.
        """
        at_s = time.monotonic()
        if not any(at_s - earlier_s < SAME_DEATH_S and pids <= earlier for earlier_s, earlier in self._gone):
            self._gone.append((at_s, frozenset(pids)))

    def add_dead(self, group: str, webhook_ids: Collection[str]) -> None:
        """Record dead letters of a group."""
        self._dead[group].update(webhook_ids)

    def handled(self, group: str) -> Counter[str]:
        """How often a group handled each webhook-id."""
        self._read()
        return self._handled[group]

    def entries(self, group: str, webhook_id: str) -> list[Entry]:
        """The journal entries of one delivery, oldest first."""
        self._read()
        return sorted(self._entries[group, webhook_id])

    def missing(self) -> Missing:
        """Deliveries that are neither handled nor dead; empty when all are accounted for."""
        self._read()
        missing = {
            group: {name for name, kind in self.accepted.items() if is_due(kind)}
            - self._handled[group].keys()
            - self._dead[group]
            - self._forgiven[group]
            for group, is_due in self._due.items()
        }
        return {group: names for group, names in missing.items() if names}

    def unaccepted(self) -> set[str]:
        """Webhook-ids that were handled although no sender has a 200 for them."""
        self._read()
        return {name for counts in self._handled.values() for name in counts} - self.accepted.keys()

    def report(self) -> Report:
        """The totals."""
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
        for entry in self._journal.fresh():
            self._entries[entry.group, entry.webhook_id].append(entry)
            if entry.what == HANDLED:
                self._handled[entry.group][entry.webhook_id] += 1

    def _takeovers_s(self) -> list[float]:
        """Seconds until a delivery ran elsewhere, for each whose process ended while it ran, for the first time.

        Deliveries are left out if another process ended meanwhile: it may have been the claimant, and the wait began
        anew. From the second time on a delivery is a suspect, which waits for its turn.
        """
        waits = []
        for began, ended in self._first_two():
            if began.what == ended.what == BEGAN and began.pid != ended.pid:
                deaths = [(at_s, pids) for at_s, pids in self._gone if began.at_s <= at_s < ended.at_s]
                if len(deaths) == 1 and began.pid in deaths[0][1]:
                    waits.append(ended.at_s - deaths[0][0])
        return waits

    def _first_two(self) -> Iterator[tuple[Entry, Entry]]:
        """The first two entries of each attempt that has two or more."""
        attempts: dict[tuple[str, str, int], list[Entry]] = defaultdict(list)
        for (group, webhook_id), entries in self._entries.items():
            for entry in sorted(entries):
                attempts[group, webhook_id, entry.attempt].append(entry)
        return ((entries[0], entries[1]) for entries in attempts.values() if len(entries) > 1)


def shown(missing: Missing) -> str:
    """A message: how many, and some names."""
    return ", ".join(f"{group}: {len(names)} ({' '.join(sorted(names)[:SHOWN])})" for group, names in missing.items())
