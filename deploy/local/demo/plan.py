"""The events that the demo sends, the subscriptions of its groups, and the expected figures."""

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
"""One byte more than ingest accepts by default."""

TYPES: Final = tuple(BY_TYPE)

GROUPS: Final = {
    "billing": ("response.", "batch.", "video.", "realtime.call.incoming"),
    "audit": ("",),
}
"""Group → prefixes of the types that it subscribes to, independent of hookbus's own patterns."""


def subscribes(group: str, event_type: str) -> bool:
    """Whether a group subscribes to a type."""
    return event_type.startswith(GROUPS[group])


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of the demo. `handled` are distinct webhook-ids, `retried` are attempts after the first."""

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
    """The figures of a correct run."""
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
