"""The report of a verify run, and hints at the cause of missing events. Pure."""

from collections.abc import Collection, Iterable
from typing import Final, Literal

import msgspec

from ...shared.percentile import percentile
from .ledger import Ledger

MAX_NAMED: Final = 1000
"""Webhook-ids in one list; the counts are complete."""


class Percentiles(msgspec.Struct, frozen=True):
    """Percentiles of durations, in ms."""

    p50: float
    p95: float
    p99: float
    max: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Percentiles":
        """Compute them; 0 without values."""
        ranked = sorted(values)
        return cls(*(round(percentile(ranked, share), 1) for share in (0.5, 0.95, 0.99, 1)))


class Missing(msgspec.Struct, frozen=True):
    """An event that ingest accepted and that was not handled, and whether it is still in Redis."""

    webhook_id: str
    where: Literal["stored", "gone", "unknown"]


class Report(msgspec.Struct, kw_only=True):
    """Numbers count events. `handled`: at least once, accepted or not. `missing`: accepted and not handled. `refused`:
    never accepted. `unknown`: a post was not answered, so they may be stored."""

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
    """From the 200 to the handler; 0 for events handled before the 200 arrived."""
    missing_ids: list[Missing]
    duplicate_ids: list[str]
    refused_ids: list[str]
    unknown_ids: list[str]
    hints: list[str]
    swept: list[str]
    """Earlier runs whose data this run removed."""
    left: str = ""
    """Why this run could not remove its own data."""

    @property
    def is_proof(self) -> bool:
        """Whether every event was handled, and the run's data was removed."""
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
    """Build the report of a finished run. `stored` are the webhook-ids still in Redis, None if unknown."""
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


def hints(missing: Collection[str], stored: Collection[str], *, losses: int, wait_s: float) -> list[str]:
    """Return hints at the cause of missing events."""
    if not missing:
        return []
    kept = sum(webhook_id in stored for webhook_id in missing)
    hints = []
    if kept:
        hints.append(
            f"{kept:,} are stored and were not handled within {wait_s:g} s: slow or stuck? --wait sets a longer time"
        )
    if kept < len(missing):
        text = "are no longer in Redis: something deleted or trimmed unhandled events, or Redis lost them"
        hints.append(f"{len(missing) - kept:,} {text}")
    if losses:
        hints.append(f"the group vanished from its streams {losses:,} times: was Redis flushed, or restarted empty?")
    return hints
