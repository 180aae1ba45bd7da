"""What a look reads beside the bus: causes of deaths, retries by type, what groups did, what runs now, last actions.

One of these that Redis refuses, such as a key of another type, leaves the others as they are, and the page names it.
"""

import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from redis.exceptions import ResponseError

from ...shared.connection import Redis
from ...shared.fault import fault_of
from ...shared.keys import HOME, Keys, is_worker
from ...shared.pipelined import execute_all
from ...shared.undecodable import UNDECODABLE
from .. import audit
from ..api.delivery import type_of_member
from ..audit import Entry
from ..dlq.causes import HOUR_MS, Summary
from ..dlq.filter import Filter
from ..dlq.query import DeadLetters
from ..inspect.snapshot import Bus
from ..inventory import running
from ..inventory.readers import registration
from ..inventory.running import RunningDelivery
from ..inventory.statistics import Series
from .work import Work

LONGEST: Final = 8
ACTIONS: Final = 8
"""Rows of the overview."""
RETRIES: Final = 100
"""Retries of a group whose types are read, those due first: names alone, some six kilobytes."""
CAUSES: Final = "dead letters by cause"
DRAWN: Final = 8
"""Causes whose deaths of the last hour are drawn, those with the most letters."""
SPANS: Final = 12
"""Of that hour: `DRAWN` × `SPANS` counts per shard and look."""


class Runs(NamedTuple):
    """A delivery that runs now, and the process that it runs in. `timeout_s` is None where that does not publish it."""

    delivery: RunningDelivery
    consumer: str
    timeout_s: float | None = None


@dataclass(slots=True)
class Asides:
    """`unasked`: what could not be read → why. What it would hold is empty then."""

    causes: Sequence[Summary] = ()
    """Dead letters by cause, most first."""
    died_last_hour: int = 0
    died_hour_before: int = 0
    retries: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """Group and type → retries among the `RETRIES` that are due first."""
    minutes: Series = field(default_factory=dict)
    running: Sequence[Runs] = ()
    """The longest first."""
    actions: Sequence[Entry] = ()
    """The newest first."""
    courses: Mapping[tuple[str, str], Sequence[int]] = field(default_factory=dict[tuple[str, str], Sequence[int]])
    """Group and fingerprint of the `DRAWN` first causes → deaths in each of the `SPANS` parts of the last hour."""
    rejected: int = 0
    """Refused requests that Redis holds."""
    unasked: dict[str, str] = field(default_factory=dict)

    @property
    def missing(self) -> str:
        """What is not known without which nothing is changed, and why; "" for nothing."""
        return f"{CAUSES}: {self.unasked[CAUSES]}" if CAUSES in self.unasked else ""


class Reader:
    """Reads what stands beside one bus."""

    def __init__(self, client: Redis, work: Work, store: DeadLetters, bus: Bus) -> None:
        self._client = client
        self._work = work
        self._store = store
        self._bus = bus
        self._asides = Asides()

    async def fetch(self) -> Asides:
        """All of it. Raises RedisError, OSError."""
        parts: dict[str, Callable[[], Awaitable[None]]] = {
            CAUSES: self._causes,
            "retries by type": self._retries,
            "what groups did": self._minutes,
            "what runs now": self._running,
            "the last actions": self._actions,
            "refused requests": self._rejected,
        }
        for name, read in parts.items():
            try:
                await read()
            except ResponseError as error:
                self._asides.unasked[name] = fault_of(error).detail
            except (ValueError, *UNDECODABLE) as error:
                self._asides.unasked[name] = f"it holds what this release can't read ({error})"
        return self._asides

    async def _causes(self) -> None:
        causes = tuple(await self._store.summaries(Filter()))
        hour_ms = self._bus.now_ms - HOUR_MS
        self._asides.died_last_hour = sum(cause.last_hour for cause in causes)
        self._asides.died_hour_before = await self._store.count(
            Filter(since_ms=hour_ms - HOUR_MS, until_ms=hour_ms - 1)
        )
        edges = [hour_ms + i * HOUR_MS // SPANS for i in range(SPANS + 1)]
        drawn = causes[:DRAWN]
        courses = await self._store.deaths_of(drawn, edges)
        places = [(each.group, each.fingerprint) for each in drawn]
        self._asides.courses = dict(zip(places, courses, strict=True))
        self._asides.causes = causes

    async def _retries(self) -> None:
        groups = self._bus.status.groups
        places = [(keys, name) for name, group in groups.items() if group.delayed for keys in self._store.shards]
        commands = [("ZRANGE", keys.delayed(name), 0, RETRIES - 1) for keys, name in places]
        for (_, name), members in zip(places, await execute_all(self._client, commands), strict=True):
            self._asides.retries.update((name, type_of_member(member.decode())) for member in members)

    async def _minutes(self) -> None:
        self._asides.minutes = await self._work.fetch(self._client, self._bus.now_ms)

    async def _running(self) -> None:
        places: list[tuple[Keys, str]] = [(keys, name) for name in self._store.groups for keys in self._store.shards]
        replies = await execute_all(self._client, [("HKEYS", keys.consumers(name)) for keys, name in places])
        consumers = sorted({name.decode() for names in replies for name in names})
        consumers = [name for name in consumers if is_worker(name)]
        if consumers:
            stored = await self._client.execute_command("MGET", *map(HOME.running, consumers))
            shown = zip(consumers, map(running.decode, stored), strict=True)
            found = [Runs(each, name) for name, runs in shown if runs for each in runs.longest]
            longest = sorted(found, key=lambda each: each.delivery.since_ms)[:LONGEST]
            self._asides.running = await self._with_timeouts(longest)

    async def _with_timeouts(self, longest: Sequence[Runs]) -> list[Runs]:
        """Costs a command for each of the `LONGEST` and shard: some shards may not know the process yet."""
        shards = self._store.shards
        commands = [("HGET", keys.consumers(runs.delivery.group), runs.consumer) for runs in longest for keys in shards]
        replies = iter(await execute_all(self._client, commands))
        found: list[Runs] = []
        for runs in longest:
            published = [registration(info) for info in itertools.islice(replies, len(shards)) if info]
            limits = (each.timeout_s(runs.delivery.pattern) for each in published)
            found.append(runs._replace(timeout_s=next((limit for limit in limits if limit is not None), None)))
        return found

    async def _actions(self) -> None:
        self._asides.actions = await audit.fetch(self._client, ACTIONS)

    async def _rejected(self) -> None:
        self._asides.rejected = await self._client.execute_command("XLEN", HOME.rejections)
