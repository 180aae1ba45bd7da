"""What the demo sends, who subscribes to what, and what must come of it."""

from typing import Final

import msgspec

from hookbus.events import BY_TYPE

REAL_ID: Final = "wh_685c059ae39c8190af8c71ed1022a24d"
REAL_TYPE: Final = "response.completed"
REAL_BODY: Final = (
    b'{"id": "evt_685c059ae3a481909bdc86819b066fb6", "object": "event", "created_at": 1750861210, '
    b'"type": "response.completed", "data": {"id": "resp_123"}}'
)
"""A delivery that OpenAI really sent: the test data of its SDKs (openai-python, tests/lib/test_webhooks.py)."""

FLAKY_TYPE: Final = "response.failed"
FLAKY_FAILURES: Final = 2
BROKEN_TYPE: Final = "batch.completed"
BROKEN_ATTEMPTS: Final = 3
BROKEN_EVENTS: Final = 3
LONG_TYPE: Final = "video.completed"
LONG_ID: Final = "video_that_takes_long"
"""`data.id` of the event in whose handler a worker is killed."""
UNKNOWN_TYPE: Final = "robot.lawn.mowed"
TOO_LARGE_BYTES: Final = 1024 * 1024 + 1
"""One more than ingest takes by default."""

TYPES: Final = tuple(BY_TYPE)

GROUPS: Final = {
    "billing": ("response.", "batch.", "video.", "realtime.call.incoming"),
    "audit": ("",),
}
"""Group → beginnings of the types that it subscribes to, said independently of hookbus's own patterns."""


def subscribes(group: str, event_type: str) -> bool:
    """Whether a group must get the events of a type."""
    return event_type.startswith(GROUPS[group])


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What the demo counts. `handled` are different webhook-ids, `retried` are attempts after the first."""

    sent: int
    accepted: int
    duplicate: int
    refused: dict[str, int]
    handled: dict[str, int]
    retried: int
    dead: int
    redriven: int
    lost: int


def expected() -> Figures:
    """The figures of a run in which everything is as it must be."""
    accepted = [REAL_TYPE, LONG_TYPE, *TYPES, UNKNOWN_TYPE, *[BROKEN_TYPE] * (BROKEN_EVENTS - 1)]
    refused = {"timestamp_stale": 1, "signature_mismatch": 1, "body_too_large": 1}
    return Figures(
        sent=len(accepted) + 1 + sum(refused.values()),
        accepted=len(accepted),
        duplicate=1,
        refused=refused,
        handled={group: sum(subscribes(group, name) for name in accepted) for group in GROUPS},
        retried=FLAKY_FAILURES + (BROKEN_ATTEMPTS - 1) * BROKEN_EVENTS,
        dead=BROKEN_EVENTS,
        redriven=BROKEN_EVENTS,
        lost=0,
    )
