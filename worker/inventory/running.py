"""What runs in a process now, as it publishes it every two seconds with its liveness key."""

from typing import Final

import msgspec

from ...shared.undecodable import UNDECODABLE

LONGEST: Final = 50
"""Deliveries that a process names: those that run longest. Six kilobytes at most."""
SHOWN_S: Final = 1.0
"""A delivery that runs for less is not named: it will have ended before anyone reads of it."""
MAX_SLOTS: Final = 100
"""Subscriptions that a process names: those of which most runs. Five kilobytes at most."""
NAME_CHARS: Final = 200
"""Longest webhook-id that is kept; senders choose it."""


class RunningDelivery(msgspec.Struct, frozen=True, array_like=True):
    """A delivery whose handler runs since `since_ms`, Unix ms by Redis' clock."""

    group: str
    pattern: str
    type: str
    webhook_id: str
    since_ms: int
    attempt: int


class SlotsInUse(msgspec.Struct, frozen=True, array_like=True):
    """A subscription of which deliveries run: how many, of how many slots; `overdue` handlers run on after their
    timeout."""

    group: str
    pattern: str
    running: int
    places: int
    overdue: int


class Running(msgspec.Struct, frozen=True, omit_defaults=True):
    """What runs at `at_ms`, Unix ms: the slots in use, and the deliveries that run longest, the longest first."""

    at_ms: int
    slots: tuple[SlotsInUse, ...] = ()
    longest: tuple[RunningDelivery, ...] = ()


encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Running).decode


def decode(stored: bytes | None) -> Running | None:
    """What a process published; None for nothing, and for what cannot be read."""
    try:
        return _decode(stored) if stored else None
    except UNDECODABLE:
        return None
