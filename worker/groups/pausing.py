"""Pauses a group or a pattern of it, and resumes it: for the tools and the console, which do the same and say the same.

A pattern that concerns nothing of the group is refused: a misspelt one would pause nothing. A resume ends pauses, open
breakers and holds of its pattern, with `ALL` all of the group; where none stands, somebody else was first. Workers
follow within two seconds.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeVar

from ...shared import shell
from ...shared.command import FailedError
from ...shared.connection import Redis
from ...shared.nearest import did_you_mean
from ...shared.patterns import matches
from .. import audit
from ..audit import Action
from ..dlq import unsubscribed
from ..dlq.query import DeadLetters
from ..inventory import pauses, registry, suspensions
from ..inventory.pauses import ALL, Paused
from ..inventory.suspensions import Suspension

Standing = TypeVar("Standing", Paused, Suspension)

EFFECT: Final = "within two seconds"
MOST_NAMED: Final = 10
"""Subscriptions named after a pause: as many as a person reads."""


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody asks for. `is_forced`: pause a pattern that matches no type of the group, too."""

    verb: Literal["pause", "resume"]
    group: str
    pattern: str = ALL
    why: str = ""
    is_forced: bool = False

    @property
    def criteria(self) -> dict[str, list[str]]:
        """What it concerns, for the audit."""
        return audit.options(group=self.group, type=self.pattern)

    @property
    def command(self) -> str:
        """The command that does the same."""
        words = ["hookbus-worker", self.verb, self.group]
        words += [self.pattern] if self.pattern != ALL else []
        return shell.command([*words, *(["--why", self.why] if self.why else [])])


@dataclass(frozen=True, slots=True)
class Plan:
    """What a change would do. A pause holds the subscriptions `held`, whole or in part; a resume ends the others."""

    change: Change
    held: Sequence[str] = ()
    paused: Mapping[str, Paused] = field(default_factory=dict)
    suspended: Mapping[str, Suspension] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """What a change has done: patterns that were paused or resumed, and those whose breaker or hold ended. `paused`
    are all that stand now, `subscribed` the patterns of the group, `record` the id of the audit's record."""

    change: Change
    changed: Sequence[str]
    closed: Sequence[str]
    paused: Sequence[str]
    subscribed: frozenset[str]
    record: str

    @property
    def sentences(self) -> list[str]:
        """What a person reads of it."""
        return _sentences(self.change, self.changed, self.closed, self.paused, self.subscribed)


async def plan(client: Redis, store: DeadLetters, change: Change) -> Plan:
    """Look what a change would do. Raises FailedError where it would be refused or change nothing, RedisError,
    OSError."""
    store.require(change.group)
    paused = await pauses.fetch(client, store.shards, change.group)
    if change.verb == "pause":
        await _require_covered(client, store, change)
        if change.pattern in paused:
            raise FailedError(_sentences(change, [], [], list(paused))[0])
        return Plan(change, _held(change.pattern, await _subscribed(client, store, change.group)))
    found = (await suspensions.fetch(client)).get(change.group, {})
    ended = Plan(change, (), _chosen(change.pattern, paused), _chosen(change.pattern, found))
    if not ended.paused and not ended.suspended:
        raise FailedError(_unpaused(change, list(paused)))
    return ended


async def run(client: Redis, store: DeadLetters, change: Change, action: Action, warn: Callable[[str], None]) -> Result:
    """Do it, as the action that the audit gets; `warn` is told when the end of that can't be recorded.

    Raises FailedError where it is refused, can't be recorded or has nothing to resume, ConfigError, RedisError,
    OSError.
    """
    store.require(change.group)
    await _require_covered(client, store, change)
    group, closed = change.group, list[str]()
    async with audit.recorded(client, action, warn) as progress:
        if change.verb == "pause":
            changed = await pauses.write(client, store.shards, group, change.pattern, change.why)
        else:
            changed = await pauses.erase(client, store.shards, group, change.pattern)
            closed = await suspensions.end(client, group, change.pattern)
        progress.set(len(changed) + len(closed))
        paused = list(await pauses.fetch(client, store.shards, group))
        if change.verb == "resume" and not changed and not closed:
            raise FailedError(_unpaused(change, paused))  # recorded as failed, too
        subscribed = await _subscribed(client, store, group)
        progress.told = "\n".join(_sentences(change, changed, closed, paused, subscribed))
    return Result(change, changed, closed, paused, subscribed, progress.record)


async def _subscribed(client: Redis, store: DeadLetters, group: str) -> frozenset[str]:
    return (await registry.patterns(client, store.shards)).get(group, frozenset())


async def _require_covered(client: Redis, store: DeadLetters, change: Change) -> None:
    """Raise FailedError for a pause of a pattern that matches no type of the group, such as a misspelt one."""
    group, pattern = change.group, change.pattern
    if change.verb == "resume" or change.is_forced or pattern == ALL:
        return
    types = await unsubscribed.known_types(client, store.shards, group)
    if not any(matches(pattern, name) for name in types):
        hint = did_you_mean(pattern, types)
        raise FailedError(
            f"{pattern} matches no type that {group} receives, so nothing was paused (--force pauses it){hint}"
        )


def _chosen(pattern: str, standing: Mapping[str, Standing]) -> dict[str, Standing]:
    """What a resume of a pattern ends."""
    return {name: each for name, each in standing.items() if pattern in (ALL, name)}


def _unpaused(change: Change, paused: Sequence[str]) -> str:
    now = ", ".join(paused) or "nothing"
    hint = did_you_mean(change.pattern, paused)
    return f"{change.group}: {change.pattern} was neither paused nor suspended; paused now: {now}{hint}"


def _held(pattern: str, subscribed: Iterable[str]) -> list[str]:
    """The subscriptions that a pause concerns, whole or in part."""
    return sorted(each for each in subscribed if matches(pattern, each) or matches(each, pattern))


def _sentences(
    change: Change,
    changed: Sequence[str],
    closed: Sequence[str],
    paused: Sequence[str],
    subscribed: frozenset[str] = frozenset(),
) -> list[str]:
    group, pattern, now = change.group, change.pattern, ", ".join(paused) or "nothing"
    if change.verb == "pause":
        first = f"{', '.join(changed)} paused {EFFECT}" if changed else f"{pattern} was already paused"
    else:
        first = f"{', '.join(changed)} resumed {EFFECT}" if changed else f"no pause of {pattern}"
    told = [f"{group}: {first}; paused now: {now}"]
    if change.verb == "pause" and pattern != ALL and subscribed:
        held = _held(pattern, subscribed)
        more = [f"{len(held) - MOST_NAMED:,} more"] if len(held) > MOST_NAMED else []
        told.append(f"{group}: it holds {', '.join([*held[:MOST_NAMED], *more]) or 'no subscription'}")
    if closed:
        told.append(f"{group}: breaker or hold of {', '.join(closed)} ended {EFFECT}")
    return told
