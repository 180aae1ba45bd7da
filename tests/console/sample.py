"""A bus at a fixed moment, as the picture of the console shows it: made up, and the same each time."""

import time
from collections import Counter
from typing import Final

from hookbus.shared.redis_report import RedisReport
from hookbus.worker.audit import Action, Entry
from hookbus.worker.console.asides import Asides, Runs
from hookbus.worker.console.history import MINUTE_MS, History
from hookbus.worker.console.look import Look, figures
from hookbus.worker.dlq.causes import Summary
from hookbus.worker.inspect.group_status import GroupStatus, TypeStatus
from hookbus.worker.inspect.snapshot import Bus
from hookbus.worker.inspect.status import Status
from hookbus.worker.inventory.pauses import Paused
from hookbus.worker.inventory.running import RunningDelivery
from hookbus.worker.inventory.statistics import BOUNDS_S, Figures, Series
from hookbus.worker.inventory.suspensions import Opened
from hookbus.worker.pipeline.dead_letter import Kind

NOW_MS: Final = 1_795_819_867_000
"""2026-11-27 22:51:07 UTC."""
HOUR_S: Final = 3600
FAMILIES: Final = {
    "response": "completed failed cancelled incomplete",
    "batch": "completed failed expired cancelled",
    "realtime": "call.incoming",
    "fine_tuning.job": "succeeded failed cancelled",
    "eval.run": "succeeded failed canceled",
    "video": "completed failed",
    "safety": "alert.created warning.issued",
}
TYPES: Final = [f"{family}.{name}" for family, names in FAMILIES.items() for name in names.split()]
PATTERNS: Final = {
    "billing": ["response.*", "batch.*"],
    "legacy-mailer": ["response.completed", "batch.completed"],
    "crm-sync": ["response.*", "batch.failed", "eval.run.*"],
    "voice": ["realtime.call.incoming"],
    "evals": ["eval.run.*"],
    "fine-tunes": ["fine_tuning.job.*"],
    "video-render": ["video.*"],
    "search-index": ["response.completed", "response.incomplete"],
    "audit": ["*"],
    "trust-safety": ["safety.*"],
}
WAITING: Final = {
    "billing": {"response.completed": (102, 12.0), "response.failed": (18_102, 372.0)},
    "legacy-mailer": {"response.completed": (110, 40.0), "batch.completed": (2_100, 792_000.0)},
    "crm-sync": {"response.completed": (1_930, 48.0), "eval.run.failed": (41, 9.0)},
    "search-index": {"response.completed": (112, 2.0)},
    "video-render": {"video.completed": (3, 11.0)},
}
ALIVE: Final = {"legacy-mailer": (0, 1), "crm-sync": (1, 2), "voice": (2, 2), "billing": (2, 2)}
DEAD: Final = {"billing": 5_009, "crm-sync": 1_164, "voice": 37, "fine-tunes": 4}
RATES: Final = {
    "billing": 41,
    "crm-sync": 18,
    "voice": 3,
    "search-index": 39,
    "audit": 44,
    "evals": 1,
    "video-render": 2,
}
"""Attempts a second."""
REFUND: Final = "ConnectionError: the refund desk is closed"


def _ago(seconds: float) -> int:
    return NOW_MS - int(seconds * 1000)


def _groups() -> dict[str, GroupStatus]:
    groups = {}
    for name in PATTERNS:
        alive, consumers = ALIVE.get(name, (1, 1))
        types = {kind: TypeStatus(backlog=n, oldest_age_s=age) for kind, (n, age) in WAITING.get(name, {}).items()}
        groups[name] = GroupStatus(consumers_alive=alive, consumers=consumers, types=types, dead=DEAD.get(name, 0))
    groups["billing"].breakers = {"response.failed": Opened("0faf33b0dc", REFUND, _ago(372), _ago(-120))}
    groups["billing"].delayed, groups["voice"].delayed = 61, 3
    groups["evals"].paused = {"eval.run.*": Paused(_ago(5000), "new schema")}
    groups["legacy-mailer"].abandoned_s = 9.17 * 24 * HOUR_S
    return groups


def _causes() -> list[Summary]:
    rows = [
        ("billing", "response.failed", "ConnectionError", "handlers.py:refund", "the refund desk is closed", 5_009, 11),
        ("crm-sync", "response.completed", "KeyError", "sync.py:upsert", "'customer'", 1_160, 240),
        ("voice", "realtime.call.incoming", "TimeoutError", "calls.py:answer", "no answer in 5 s", 37, 1_860),
        ("fine-tunes", "fine_tuning.job.failed", "MemoryError", "tunes.py:load", "cannot allocate", 4, 7_200),
        ("crm-sync", "batch.failed", "ValidationError", "models.py:Batch", "Expected `int`, got `str`", 4, 18_000),
    ]
    kinds = [Kind(kind, "attempts_exhausted", error, frame, text) for _, kind, error, frame, text, _, _ in rows]
    return [
        Summary(row[0], f"f{i}", kind, count=row[5], first_ms=_ago(9 * HOUR_S), last_ms=_ago(row[6]))
        for i, (row, kind) in enumerate(zip(rows, kinds, strict=True))
    ]


COURSES: Final = (
    (2, 3, 1, 2, 4, 9, 18, 33, 51, 70, 88, 97),
    (0, 1, 0, 0, 2, 1, 0, 6, 4, 2, 1, 3),
    (5, 4, 4, 3, 3, 2, 1, 1, 0, 0, 0, 0),
    (0,) * 12,
    (0,) * 12,
)
"""Deaths of each cause in twelve parts of the last hour."""


def _swing(minute: int) -> float:
    """About 1, as of a stream that is steady."""
    return 1 + (minute * 7 % 5 - 2) / 40


def _minutes() -> Series:
    latencies = (40, 45, 9, 3, 2, 1, 0, 0)
    assert len(latencies) == len(BOUNDS_S) + 1
    first_ms = NOW_MS // MINUTE_MS * MINUTE_MS - 59 * MINUTE_MS
    found: Series = {}
    for minute in range(60):
        worked_s = 60 if minute < 59 else NOW_MS % MINUTE_MS / 1000
        found[first_ms + minute * MINUTE_MS] = {
            name: Figures(
                handled=int(worked_s * rate * _swing(minute)),
                parked=int(worked_s * max(0, minute - 48) / 10),
                latencies=latencies,
            )
            for name, rate in RATES.items()
        }
    return found


def _asides() -> Asides:
    running = [
        ("billing", "response.completed", "wh_68f1c2a01e", 28.4, 30.0),
        ("video-render", "video.completed", "wh_68f1b977c2", 9.1, 600.0),
    ]
    redrive = Action(verb="dlq redrive", who="bob@ops-2", matching=812, why="INC-482")
    pause = Action(verb="pause", who="alice@ops-1", why="new schema")
    return Asides(
        causes=_causes(),
        rejected=9,
        died_last_hour=412,
        died_hour_before=3,
        retries=Counter({("billing", "response.completed"): 61, ("voice", "realtime.call.incoming"): 3}),
        minutes=_minutes(),
        running=[
            Runs(RunningDelivery(group, kind, kind, webhook_id, _ago(seconds), 1), f"{group}-7f9c.1.ab12", timeout_s)
            for group, kind, webhook_id, seconds, timeout_s in running
        ],
        actions=[_done(redrive, 700, moved=812), _done(pause, 5_000)],
        courses={(each.group, each.fingerprint): deaths for each, deaths in zip(_causes(), COURSES, strict=True)},
    )


def _done(action: Action, ago_s: float, moved: int | None = None) -> Entry:
    begun_ms = _ago(ago_s)
    return Entry(
        id=f"{begun_ms}-0",
        begun_ms=begun_ms,
        verb=action.verb,
        who=action.who,
        matching=action.matching,
        moved=moved,
        why=action.why,
        result="done",
    )


def look() -> Look:
    """The last look."""
    redis = RedisReport("9.1.0", "master", 1, "noeviction", "yes", "always", True, 1_900_000_000, 8_000_000_000, 2)
    patterns = {name: frozenset(each) for name, each in PATTERNS.items()}
    status = Status(groups=_groups(), shards=2, sources=["openai"], processes=13)
    bus = Bus(redis, status, patterns, dict.fromkeys(TYPES, _ago(2)), dict.fromkeys(TYPES, 400_000), NOW_MS)
    return Look(7, bus, _asides(), NOW_MS, time.monotonic(), time.monotonic(), 0.1)


def history(last: Look) -> History:
    """An hour that ended with this look: a steady stream, and a backlog that has grown for ten minutes."""
    found = History()
    now, stored = figures(last), 1_000_000.0
    for minute in range(60):
        share = max(0.05, (minute - 48) / 11)
        past = {key: value * (1 if key[1] in ("oldest_s", "memory") else share) for key, value in now.items()}
        stored += 60 * 48.3 * _swing(minute)
        past["", "stored"] = stored
        found.add(HOUR_S * 1000 + minute * MINUTE_MS, past)
    return found
