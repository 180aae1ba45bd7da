"""What each consumer of a group reads. It publishes this with its liveness key, and it expires with that.

A group's subscriptions are those of its last worker to start. During a rollout, after a mistake in one, or with
`--only`, its workers may read less: the remaining events wait without a reader, and hold up trimming.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from ...shared.patterns import by_precedence, matches, patterns_of
from ...shared.release import VERSION
from ...shared.undecodable import UNDECODABLE

if TYPE_CHECKING:
    from ..pipeline.routes import Route

MAX_PATTERNS: Final = 500
"""Patterns that a consumer publishes; one with more publishes none (a guess: some 35 KB)."""


class Options(msgspec.Struct, frozen=True, array_like=True):
    """The options of a subscription in one consumer, as `App.on` takes them. Times in seconds."""

    concurrency: int
    timeout_s: float
    max_age_s: float | None
    attempts: int
    base_s: float
    factor: float
    cap_s: float
    within_s: float
    sources: tuple[str, ...] = ()
    """Those that it is narrowed to; none for all."""

    @classmethod
    def of(cls, route: "Route") -> "Options":
        """The options of a subscription."""
        retry = route.retry
        waits = retry.base, retry.factor, retry.cap, retry.within
        sources = tuple(sorted(route.sources or ()))
        return cls(route.concurrency, route.timeout_s, route.max_age_s, retry.attempts, *waits, sources)


class Registration(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a consumer publishes about itself in one group. `since_ms` is Unix ms.

    `patterns` are its subscriptions, empty when it publishes none; `only` limits the types, "" for no limit.
    `has_quarantine` is false for a worker whose apps no target names: it leaves suspects to others. `version` is its
    release; `options` are those of its patterns, in their order.
    """

    since_ms: int = 0
    patterns: tuple[str, ...] = ()
    only: str = ""
    has_quarantine: bool = True
    version: str = ""
    options: tuple[Options, ...] = ()

    def taken(self) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Its patterns, each with the sources that it is narrowed to, as far as it publishes them."""
        return ((pattern, options.sources) for pattern, options in zip(self.patterns, self.options, strict=False))

    def timeout_s(self, pattern: str) -> float | None:
        """The timeout of a subscription; None where it is not published."""
        published = zip(self.patterns, self.options, strict=False)
        return next((options.timeout_s for name, options in published if name == pattern), None)

    def sources_of(self, event_type: str) -> tuple[str, ...]:
        """The sources to which the subscription of a type is narrowed; none for all, and where it is not published."""
        sources = dict(self.taken())
        return next((sources[each] for each in by_precedence(event_type) if each in sources), ())

    def reads(self, event_type: str) -> bool:
        """Whether it reads a type; true also when its patterns are unknown."""
        if self.only and not matches(self.only, event_type):
            return False
        return not self.patterns or not set(self.patterns).isdisjoint(patterns_of(event_type))


UNKNOWN: Final = Registration()
"""The registration of a consumer of another release."""

_decode = msgspec.json.Decoder(Registration).decode


def register(
    since_ms: int, patterns: Sequence[str], only: str, *, has_quarantine: bool = True, options: Sequence[Options] = ()
) -> bytes:
    """Encode what a consumer publishes."""
    publishes = len(patterns) <= MAX_PATTERNS
    published = (tuple(patterns), tuple(options)) if publishes else ((), ())
    return msgspec.json.encode(Registration(since_ms, published[0], only, has_quarantine, VERSION, published[1]))


def register_routes(since_ms: int, routes: Sequence["Route"], only: str, *, has_quarantine: bool) -> bytes:
    """Encode what a consumer publishes about its subscriptions to a group."""
    patterns, options = [route.pattern for route in routes], [Options.of(route) for route in routes]
    return register(since_ms, patterns, only, has_quarantine=has_quarantine, options=options)


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
