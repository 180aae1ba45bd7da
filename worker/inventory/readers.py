"""What the consumers of a group read, as each publishes it with its signs of life; it goes when they do.

A group's subscriptions are what its last worker to start said. During a rollout, after a slip in one, or with `--only`,
its workers may read less: then events wait that nobody will be given, and hold up trimming.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from ...shared.decoding import UNDECODABLE
from ..pipeline.routes import matches, patterns_of

MAX_PATTERNS: Final = 500
"""Patterns that a consumer publishes every two seconds: of one with more nothing is known (a guess: some 15 KB)."""


class Registration(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a consumer says of itself in one group. `since_ms` is Unix ms.

    `patterns` are what it subscribes to, empty when it does not say so; `only` limits the types, "" for no limit.
    """

    since_ms: int = 0
    patterns: tuple[str, ...] = ()
    only: str = ""

    def reads(self, event_type: str) -> bool:
        """Whether it reads a type, as far as is known."""
        if self.only and not matches(self.only, event_type):
            return False
        return not self.patterns or not set(self.patterns).isdisjoint(patterns_of(event_type))


UNKNOWN: Final = Registration()
"""A consumer of another release."""

_decode = msgspec.json.Decoder(Registration).decode


def register(since_ms: int, patterns: Sequence[str], only: str) -> bytes:
    """What a consumer publishes."""
    return msgspec.json.encode(Registration(since_ms, tuple(patterns) if len(patterns) <= MAX_PATTERNS else (), only))


def registration(info: bytes) -> Registration:
    """What a consumer published."""
    try:
        return _decode(info)
    except UNDECODABLE:
        return UNKNOWN


def disputed(consumers: Iterable[Registration]) -> list[str]:
    """The patterns that some consumers of a group subscribe to, and others do not."""
    told: list[set[str]] = [set(consumer.patterns) for consumer in consumers if consumer.patterns]
    return sorted(set[str]().union(*told) - told[0].intersection(*told)) if told else []
