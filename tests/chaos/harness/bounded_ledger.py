"""A ledger for runs of hours: it keeps only open deliveries, so that its own memory stays flat."""

from collections import defaultdict
from collections.abc import Collection
from typing import Final

from tests.chaos.harness.journal import HANDLED, Journal
from tests.chaos.harness.ledger import Ledger, Missing, Report

RECENT: Final = 10_000
"""Accepted webhook-ids that are remembered: the sender repeats some right after the answer."""


class BoundedLedger(Ledger):
    """A `Ledger` for groups that must handle every event; it forgets an event once it is handled."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)
        self._open: dict[str, set[str]] = defaultdict(set)
        self._early: dict[str, set[str]] = defaultdict(set)
        self._recent: dict[str, None] = {}
        self._report = Report()

    def accept(self, webhook_id: str, event_type: str) -> None:
        if webhook_id in self._recent:
            return
        self._recent[webhook_id] = None
        if len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]
        self._report.events += 1
        for group in self.groups:
            # Handled before its sender had the answer: the answer was lost on the way, or is slower.
            if webhook_id in self._early[group]:
                self._early[group].discard(webhook_id)
            else:
                self._open[group].add(webhook_id)

    def add_dead(self, group: str, webhook_ids: Collection[str]) -> None:
        self._report.dead += len(self._open[group] & set(webhook_ids))
        self._open[group].difference_update(webhook_ids)

    def process_gone(self, pids: Collection[int]) -> None:
        """Takeovers are not timed here."""

    def missing(self) -> Missing:
        self._read()
        return {group: names for group, names in self._open.items() if names}

    def open(self) -> int:
        """Deliveries that are neither handled nor dead."""
        return sum(map(len, self.missing().values()))

    def report(self) -> Report:
        """The totals. Deliveries that were handled and are still not accepted at the end count as duplicates."""
        self._report.lost = self.open()
        self._report.duplicates = sum(map(len, self._early.values()))
        return self._report

    def _read(self) -> None:
        for entry in self._journal.fresh():
            if entry.what == HANDLED:
                self._report.handled += 1
                if entry.webhook_id in self._open[entry.group]:
                    self._open[entry.group].discard(entry.webhook_id)
                else:
                    self._early[entry.group].add(entry.webhook_id)
