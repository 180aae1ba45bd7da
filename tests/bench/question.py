"""Questions: the keys that each answers, their goals, and a coroutine that measures on a `Stage`.

The modules in `questions/` register them with the decorator, one question per file.
"""

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tests.bench import questions
from tests.bench.figures import Answer, Goal
from tests.bench.stage import Stage

Measure = Callable[[Stage], Awaitable[Sequence[Answer]]]

KEYS: Final = (
    "ingest_vs_floor",
    "ingest_vs_fastapi",
    "ingest_fsync_vs_everysec",
    "ingest_two_vs_one",
    "worker_vs_loop",
    "worker_vs_best_peer",
    "latency_p50_vs_hops",
    "latency_p99_vs_hops",
    "latency_loaded_p99_ms",
    "backlog_1m_vs_10k",
    "delayed_1m_overhead",
    "dlq_page_ms_at_1m",
    "fanout_10_groups_vs_1",
    "dedupe_bytes_per_id",
    "stored_bytes_vs_raw",
    "decode_vs_sdk",
    "cpu_us_per_event",
    "idle_fleet_cost",
    "wide_types_cost",
    "idle_connections",
    "idle_commands",
    "idle_cpu_percent",
    "takeover_50_dead_s",
    "after_two_kills_s",
    "start_s",
)
"""Every key of the last line, in order."""


@dataclass(frozen=True, slots=True)
class Question:
    """`goals` by key, None for a figure that is only reported. `is_starred`: part of QUICK=1 too."""

    asks: str
    goals: Mapping[str, Goal | None]
    is_starred: bool
    measure: Measure


_REGISTERED: Final[list[Question]] = []


def question(asks: str, *, is_starred: bool = False, **goals: Goal | None) -> Callable[[Measure], Measure]:
    """Register a question, with a goal (or None) for each key that it answers."""

    def register(measure: Measure) -> Measure:
        _REGISTERED.append(Question(asks, goals, is_starred, measure))
        return measure

    return register


def every() -> list[Question]:
    """All questions, in the order of their first keys."""
    for module in pkgutil.iter_modules(questions.__path__):
        importlib.import_module(f"{questions.__name__}.{module.name}")
    return sorted(_REGISTERED, key=lambda item: KEYS.index(next(iter(item.goals))))
