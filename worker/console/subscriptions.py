"""What the live consumers of a group run for each of its patterns. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ...shared.patterns import by_precedence
from ..inspect.processes import WorkerProcess
from ..inventory.readers import Options


class Subscription(NamedTuple):
    """A pattern, and the options that live consumers have for it: several during a rollout, none where unknown."""

    pattern: str
    options: Sequence[Options]


def of_group(name: str, patterns: Iterable[str], members: Iterable[WorkerProcess]) -> list[Subscription]:
    """Those of a group, by pattern: `patterns` are those that it has published."""
    found: dict[str, set[Options]] = {pattern: set() for pattern in patterns}
    for member in members:
        alive = member.groups[name].subscriptions if member.is_alive and name in member.groups else {}
        for pattern, options in alive.items():
            found.setdefault(pattern, set()).update([options] if options else [])
    return [Subscription(pattern, sorted(options, key=str)) for pattern, options in sorted(found.items())]


def of_type(subscriptions: Sequence[Subscription], event_type: str) -> Subscription | None:
    """The one that runs a type; None where the group does not subscribe to it."""
    by_pattern = {each.pattern: each for each in subscriptions}
    return next((by_pattern[name] for name in by_precedence(event_type) if name in by_pattern), None)
