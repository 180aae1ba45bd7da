"""What each consumer of a group reads. It publishes this with its liveness key, and it expires with that.

A group's subscriptions are those of its last worker to start. During a rollout, after a mistake in one, or with
`--only`, its workers may read less: the remaining events wait without a reader, and hold up trimming.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from ...shared.decoding import UNDECODABLE
from ...shared.patterns import matches, patterns_of

MAX_PATTERNS: Final = 500
"""Patterns that a consumer publishes every two seconds; one with more publishes none (a guess: some 15 KB)."""


class Registration(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a consumer publishes about itself in one group. `since_ms` is Unix ms.

    `patterns` are its subscriptions, empty when it publishes none; `only` limits the types, "" for no limit.
    `has_quarantine` is false for a worker whose apps no target names: it leaves suspects to others.
    """

    since_ms: int = 0
    patterns: tuple[str, ...] = ()
    only: str = ""
    has_quarantine: bool = True

    def reads(self, event_type: str) -> bool:
        """Whether it reads a type; true also when its patterns are unknown."""
        if self.only and not matches(self.only, event_type):
            return False
        return not self.patterns or not set(self.patterns).isdisjoint(patterns_of(event_type))


UNKNOWN: Final = Registration()
"""The registration of a consumer of another release."""

_decode = msgspec.json.Decoder(Registration).decode


def register(since_ms: int, patterns: Sequence[str], only: str, *, has_quarantine: bool = True) -> bytes:
    """Encode what a consumer publishes."""
    published = tuple(patterns) if len(patterns) <= MAX_PATTERNS else ()
    return msgspec.json.encode(Registration(since_ms, published, only, has_quarantine))


def registration(info: bytes) -> Registration:
    """Decode what a consumer published; UNKNOWN when it cannot be read."""
    try:
        return _decode(info)
    except UNDECODABLE:
        return UNKNOWN


def disputed(consumers: Iterable[Registration]) -> list[str]:
    """The patterns that some consumers of a group subscribe to and others do not."""
    published: list[set[str]] = [set(consumer.patterns) for consumer in consumers if consumer.patterns]
    return sorted(set[str]().union(*published) - published[0].intersection(*published)) if published else []
