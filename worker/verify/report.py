"""What a verify run found, and what it suggests. Pure."""

from collections.abc import Collection, Iterable
from typing import Final, Literal

import msgspec

from ...shared.percentile import percentile
from .ledger import Ledger

MAX_NAMED: Final = 1000
"""Webhook-ids in one list; more help nobody, and the counts are there."""


class Percentiles(msgspec.Struct, frozen=True):
    """Of durations, in ms."""

    p50: float
    p95: float
    p99: float
    max: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Percentiles":
        """0 where there is nothing to measure."""
        ranked = sorted(values)
        return cls(*(round(percentile(ranked, share), 1) for share in (0.5, 0.95, 0.99, 1)))


class Missing(msgspec.Struct, frozen=True):
    """An event that ingest accepted and nobody handled, and whether it is still in Redis."""

    webhook_id: str
    where: Literal["stored", "gone", "unknown"]


class Report(msgspec.Struct, kw_only=True):
    """Numbers are of events. `handled` were so at least once, whatever the sender heard; `missing` were accepted and
    not; `refused` were never accepted, and of the `unknown` a post was not answered, so that they may be stored."""

    run: str
    url: str
    count: int
    posted: int
    accepted: int
    handled: int
    missing: int
    duplicate: int
    refused: int
    unknown: int
    took_s: float
    is_interrupted: bool
    answers: dict[str, int]
    """Status and code → posts."""
    accept_ms: Percentiles
    """From the post to its 200."""
    delay_ms: Percentiles
    """From the 200 until it was handled; 0 for what was handled before the 200 was here."""
    missing_ids: list[Missing]
    duplicate_ids: list[str]
    refused_ids: list[str]
    unknown_ids: list[str]
    hints: list[str]
    swept: list[str]
    """Earlier runs that had left something, which is gone now."""
    left: str = ""
    """Why this run could not remove what it had."""

    @property
    def is_proof(self) -> bool:
        """Whether every event was handled, and nothing is left of it."""
        return self.handled == self.count and not self.left


def report(
    ledger: Ledger,
    *,
    url: str,
    took_s: float,
    stored: Collection[str] | None,
    hints: list[str],
    swept: list[str],
    is_interrupted: bool,
) -> Report:
    """The report of a run that is over. `stored` are the webhook-ids that are still in Redis, None if unknown."""
    missing, duplicate, refused, unknown = ledger.missing(), ledger.duplicate(), ledger.refused(), ledger.unknown()
    return Report(
        run=ledger.name,
        url=url,
        count=ledger.count,
        posted=ledger.posted,
        accepted=ledger.accepted,
        handled=ledger.handled,
        missing=len(missing),
        duplicate=len(duplicate),
        refused=len(refused),
        unknown=len(unknown),
        took_s=round(took_s, 2),
        is_interrupted=is_interrupted,
        answers={f"{status} {code}".strip(): n for (status, code), n in sorted(ledger.answers.items())},
        accept_ms=Percentiles.of(ledger.accept_ms),
        delay_ms=Percentiles.of(ledger.delay_ms()),
        missing_ids=[_placed(name, stored) for name in missing[:MAX_NAMED]],
        duplicate_ids=duplicate[:MAX_NAMED],
        refused_ids=refused[:MAX_NAMED],
        unknown_ids=unknown[:MAX_NAMED],
        hints=hints,
        swept=swept,
    )


def _placed(webhook_id: str, stored: Collection[str] | None) -> Missing:
    if stored is None:
        return Missing(webhook_id, "unknown")
    return Missing(webhook_id, "stored" if webhook_id in stored else "gone")


def hints(
    missing: Collection[str], stored: Collection[str], *, is_seen: bool, losses: int, wait_s: float, redis: str
) -> list[str]:
    """What may be behind missing events. `is_seen`: ingest stored some event of the run in this Redis."""
    if not missing:
        return []
    if not is_seen:
        return [
            f"ingest accepted what never came to {redis}: it stores in another Redis, or in another database of it;"
            " compare redis_url of both programs. What it stored there stays until worker.orphan_retention_s is over"
        ]
    kept = sum(webhook_id in stored for webhook_id in missing)
    found = []
    if kept:
        found.append(
            f"{kept:,} are stored and were not handled within {wait_s:g} s: slow or stuck? --wait waits longer"
        )
    if kept < len(missing):
        text = "are not in Redis any more: somebody deletes or trims what is not handled, or Redis forgot it"
        found.append(f"{len(missing) - kept:,} {text}")
    if losses:
        found.append(f"the group's place on its streams vanished {losses:,} times: flushed, or restarted empty?")
    return found
