"""A bus for the tests of handlers, without Redis and network: deliveries run as in a worker, when the test says so.

Of each subscription it takes the worker's own subscriber and circuit (`lane`), and keeps in memory what would be in
Redis: what is parked (`backlog`), suspended, paused. A delivery is parsed from the fields of a stream entry, as ingest
or a retry writes them.
"""

import asyncio
import itertools
import logging
import math
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final, Literal, Self

from ...shared import clock
from ...shared.entry import Entry, redelivery_fields
from ...shared.keys import Keys
from ...shared.nearest import did_you_mean
from ...shared.patterns import matches
from ..api.app import App
from ..api.delivery import InFlight
from ..api.retry import is_number
from ..lifespans import CLOSE_S, Lifespans
from ..pipeline.in_flight import in_flight_of
from ..pipeline.outcome import Park
from ..pipeline.outcome_view import Outcome
from ..pipeline.routes import Group, Route, known_types
from .backlog import Backlog, Waiting
from .body import body_of
from .groups import LIFESPANS, groups_of
from .lane import CONSUMER, Lane
from .metadata import check_metadata

KEYS: Final = Keys(0)
DEFAULT_SOURCE: Final = "openai"
MAX_ATTEMPTS: Final = 10_000
"""Of one `advance` or `finish`: more than any schedule of retries has in a week. A handler that raises `RetryLater(0)`
for ever would keep a clock that stands still for ever."""

_tracebacks = logging.getLogger("hookbus.testing")


class Bus:
    """Delivers events to the handlers of one app, or of several: `async with Bus(app) as bus:`.

    Decoding, what runs around a handler, timeout, the choice of the outcome, the wait before a retry, holds, pauses and
    circuit breakers are the worker's own code. The clock is the test's: it stands still until `advance`. What a `Bus`
    does not show: two attempts at once, several workers, a crash and what runs again after it, the order of events, a
    signature or a duplicate, Redis.

    `state` is the `Delivery.state` of all handlers, in the place of what lifespans yield; without it those of the apps
    are entered. `now` is where the clock of the test begins (default: the present). `timeout`: seconds that any attempt
    may take, in the place of the subscriptions' own; it passes in real time. Raises ConfigError, as a worker does at
    its start, and FailedError if a lifespan fails, ends by itself, or does not close: at the end, unless the test
    itself has failed.
    """

    def __init__(
        self,
        apps: App | Iterable[App],
        *,
        state: Any = LIFESPANS,
        now: datetime | None = None,
        timeout: float | None = None,
    ) -> None:
        self._groups = groups_of(apps, state, timeout)
        self._lifespans = Lifespans(list(self._groups.values()), owns_process=False)
        self._now_ms = clock.now_ms() if now is None else _unix_ms("now", now)
        self._lanes: dict[Route, Lane] = {}
        self._backlog = Backlog(self._is_paused)
        self._paused: set[tuple[str, str]] = set()
        """Group and pattern."""
        self._numbers = itertools.count(1)
        self._entries = itertools.count()
        self._life: Literal["new", "open", "closed"] = "new"

    async def __aenter__(self) -> Self:
        if self._life != "new":
            raise RuntimeError("a Bus is entered once: make a new one for each test")
        self._life = "closed"
        try:
            await self._lifespans.open(asyncio.Event())
        except BaseException:
            await self._lifespans.close(CLOSE_S)
            raise
        routes = [route for group in self._groups.values() for route in group.routes]
        self._lanes = {route: Lane(route, lambda: self._now_ms) for route in routes}
        self._life = "open"
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._life = "closed"
        try:
            for lane in self._lanes.values():
                await lane.close()
        finally:
            clock.leave()
            await self._lifespans.close(CLOSE_S)
        if error is None and (failure := self._lifespans.failure()) is not None:
            raise failure

    @property
    def now(self) -> datetime:
        """The time of the test, UTC."""
        return datetime.fromtimestamp(self._now_ms / 1000, UTC)

    async def deliver(
        self,
        event_type: str,
        event: object = None,
        *,
        group: str = "",
        source: str = "",
        webhook_id: str = "",
        received_at: datetime | None = None,
        traceparent: str = "",
        is_replay: bool = False,
    ) -> Outcome:
        """Deliver an event to the group that subscribes to its type, and run the first attempt.

        `event`: an event struct, such as `sample` makes, a dict, a dataclass or a pydantic model; `bytes` are delivered
        as they are; without one, OpenAI's example of the type. `group` is needed where several groups subscribe.
        `source`: by default `openai`, or one that the subscription takes. `received_at`: by default now. The outcome is
        `is_waiting` while its subscription is held, paused, or suspended by its breaker. Raises ValueError for an event
        that nothing here would receive.
        """
        self._check_open()
        check_metadata(source=source, webhook_id=webhook_id, traceparent=traceparent)
        to = self._group_of(event_type, group)
        at_ms = self._now_ms if received_at is None else _unix_ms("received_at", received_at)
        name = webhook_id or f"wh_{next(self._numbers)}"
        source = source or _source_for(to.route(event_type))
        stored = Entry(name, source, at_ms, body_of(event_type, event), traceparent, is_replay=is_replay)
        fields = redelivery_fields(stored, stored.attempt, ())
        waiting = self._waiting(event_type, to, fields, is_own=is_replay, due_ms=self._now_ms)
        if self._is_paused(waiting.in_flight) or not waiting.lane.admits():
            self._backlog.add(waiting)
            return Outcome(waiting.in_flight.delivery, None)
        return await self._run(waiting)

    async def advance(self, seconds: float) -> list[Outcome]:
        """Let time pass, and run the attempts that are due in it, each at its time; their outcomes."""
        if not is_number(seconds) or seconds < 0:
            raise ValueError(f"advance({seconds!r}): a number of seconds from 0 on is needed")
        return await self._run_until(self._now_ms + math.ceil(seconds * 1000))

    async def finish(self) -> list[Outcome]:
        """Let time pass until nothing waits any more, but for what is paused; the outcomes of the attempts in it."""
        return await self._run_until(None)

    async def resume(self) -> list[Outcome]:
        """End all pauses, holds and open breakers, as `hookbus-worker resume` does, and run what waited for it."""
        self._check_open()
        self._paused.clear()
        for lane in self._lanes.values():
            lane.resume()
        return await self.advance(0)

    async def _run_until(self, until_ms: int | None) -> list[Outcome]:
        """Run what may begin until a time, None for all; the clock then shows that time."""
        self._check_open()
        outcomes: list[Outcome] = []
        while (at_ms := self._backlog.next_ms(self._now_ms)) is not None and (until_ms is None or at_ms <= until_ms):
            self._now_ms = at_ms
            waiting = self._backlog.take(at_ms)
            if waiting is None:
                break  # its places are taken by attempts that a `deliver` elsewhere waits for
            outcomes.append(await self._run(waiting))
            if len(outcomes) >= MAX_ATTEMPTS:
                raise RuntimeError(f"{MAX_ATTEMPTS} attempts, and no end; the last: {outcomes[-1]}")
        self._now_ms = max(self._now_ms, until_ms or 0)
        return outcomes

    async def _run(self, waiting: Waiting) -> Outcome:
        """Run one attempt, and keep what follows from it."""
        in_flight, lane, _ = waiting
        clock.follow(self._now_ms, time.monotonic())  # as a worker follows the clock of Redis
        settled = await lane.run(in_flight)
        state, delivery = lane.route.state, in_flight.delivery
        if lane.take_pause():
            self._paused.add((delivery.group, lane.route.pattern))
        if isinstance(settled.outcome, Park):
            again = settled.redelivery(settled.history(CONSUMER))
            group = self._groups[delivery.group]
            self._backlog.add(self._waiting(delivery.type, group, again, is_own=True, due_ms=settled.due_ms))
        outcome = Outcome(delivery if state is None else state.given_to(delivery), settled.outcome)
        if outcome.is_retried or outcome.is_dead:  # pytest shows it beside a failed assertion
            _tracebacks.warning("%s: %r\n%s", delivery.group, outcome, outcome.traceback)
        return outcome

    def _waiting(self, event_type: str, group: Group, fields: list[bytes], *, is_own: bool, due_ms: int) -> Waiting:
        """A delivery from the fields of its stream entry."""
        route = group.route(event_type)
        assert route is not None
        stream = KEYS.redelivery(event_type, group.name) if is_own else KEYS.stream(event_type)
        entry_id = b"%d-%d" % (self._now_ms, next(self._entries))
        in_flight = in_flight_of(stream, event_type, is_own, group.name, entry_id, fields)
        return Waiting(in_flight, self._lanes[route], due_ms)

    def _group_of(self, event_type: str, name: str) -> Group:
        """The group that receives a type. Raises ValueError if that is none, or several and none is named."""
        if name and name not in self._groups:
            raise ValueError(f"no app here has the group {name!r}; there are {', '.join(self._groups)}")
        chosen = [group for group in self._groups.values() if name in ("", group.name)]
        found = [group for group in chosen if group.route(event_type) is not None]
        if not found:
            names = ", ".join(group.name for group in chosen)
            hint = did_you_mean(event_type, [each for group in chosen for each in known_types(group)])
            raise ValueError(f"no handler of {names} subscribes to {event_type!r}{hint}")
        if len(found) > 1:
            names = ", ".join(group.name for group in found)
            raise ValueError(f"{names} subscribe to {event_type!r}: name one of them, as in group={found[0].name!r}")
        return found[0]

    def _is_paused(self, in_flight: InFlight) -> bool:
        delivery = in_flight.delivery
        return any(group == delivery.group and matches(pattern, delivery.type) for group, pattern in self._paused)

    def _check_open(self) -> None:
        if self._life != "open":
            raise RuntimeError(
                "this Bus is closed" if self._life == "closed" else "use it inside `async with Bus(...)`"
            )


def _source_for(route: Route | None) -> str:
    """A source whose events a subscription takes."""
    if route is None or route.sources is None or DEFAULT_SOURCE in route.sources:
        return DEFAULT_SOURCE
    return min(route.sources)


def _unix_ms(name: str, time: datetime) -> int:
    """Raises ValueError for anything but a datetime with a time zone."""
    if not isinstance(time, datetime) or time.tzinfo is None:
        raise ValueError(f"{name}={time!r}: a datetime with a time zone is needed, as in datetime.now(UTC)")
    return int(time.timestamp() * 1000)
