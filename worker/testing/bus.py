"""A bus for the tests of handlers, without Redis and network: deliveries run as in a worker, when the test says so.

Decoding, timeout, the choice of the outcome, the wait before a retry, holds, pauses and circuit breakers are the
worker's own code. The clock is the test's: it stands still until `advance`. What a `Bus` does not show: two attempts at
once, several workers, a crash and what runs again after it, the order of events, Redis.
"""

import itertools
import logging
import math
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, Literal, Self

from ...shared import clock
from ...shared.entry import Entry, redelivery_fields
from ...shared.keys import Keys
from ...shared.patterns import matches
from ..api.app import App
from ..api.delivery import InFlight
from ..pipeline.in_flight import in_flight_of
from ..pipeline.outcome import Park
from ..pipeline.routes import Group, Route, build, known_types
from ..settings import WorkerSettings
from .backlog import Backlog, Waiting
from .body import body_of
from .lane import CONSUMER, Lane
from .outcome import Outcome
from .sample import nearest

KEYS: Final = Keys(0)
MAX_ATTEMPTS: Final = 10_000
"""Of one `advance` or `finish`: more than any schedule of retries has in a week. A handler that raises `RetryLater(0)`
for ever would keep a clock that stands still for ever."""

_tracebacks = logging.getLogger("hookbus.testing")


class Bus:
    """Delivers events to the handlers of one app, or of several: `async with Bus(app) as bus:`.

    `now` is where the clock of the test begins (default: the present). `timeout`: seconds that any attempt may take,
    in place of the subscriptions' own; it passes in real time. Raises ConfigError, as a worker does at its start.
    """

    def __init__(self, apps: App | Iterable[App], *, now: datetime | None = None, timeout: float | None = None) -> None:
        self._groups = _groups(apps, timeout)
        self._now_ms = clock.now_ms() if now is None else _unix_ms("now", now)
        self._lanes: dict[Route, Lane] = {}
        self._backlog = Backlog(self._is_paused)
        self._paused: set[tuple[str, str]] = set()
        """Group and pattern."""
        self._numbers = itertools.count(1)
        self._entries = itertools.count()
        self._state: Literal["new", "open", "closed"] = "new"

    async def __aenter__(self) -> Self:
        if self._state != "new":
            raise RuntimeError("a Bus is entered once: make a new one for each test")
        self._lanes = {
            route: Lane(route, lambda: self._now_ms) for group in self._groups.values() for route in group.routes
        }
        self._state = "open"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._state = "closed"
        for lane in self._lanes.values():
            await lane.close()
        clock.leave()

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
        source: str = "openai",
        webhook_id: str = "",
        received_at: datetime | None = None,
        traceparent: str = "",
        is_replay: bool = False,
    ) -> Outcome:
        """Deliver an event to the group that subscribes to its type, and run the first attempt.

        `event`: an event struct, such as `sample` makes, a dict, a dataclass or a pydantic model; `bytes` are delivered
        as they are; without one, OpenAI's example of the type. `group` is needed where several groups subscribe.
        `received_at`: when ingest received it (default: now). The outcome is `is_waiting` while its subscription is
        held, paused, or suspended by its breaker. Raises ValueError for an event that nothing here would receive.
        """
        self._check_open()
        to = self._group_of(event_type, group)
        at_ms = self._now_ms if received_at is None else _unix_ms("received_at", received_at)
        name = webhook_id or f"wh_{next(self._numbers)}"
        stored = Entry(name, source, at_ms, body_of(event_type, event), traceparent, is_replay=is_replay)
        fields = redelivery_fields(stored, stored.attempt, ())
        waiting = self._waiting(event_type, to, fields, is_own=is_replay, due_ms=self._now_ms)
        if self._is_paused(waiting.in_flight) or not waiting.lane.admits():
            self._backlog.add(waiting)
            return Outcome(waiting.in_flight.delivery, None)
        return await self._run(waiting)

    async def advance(self, seconds: float) -> list[Outcome]:
        """Let time pass, and run the attempts that are due in it, each at its time; their outcomes."""
        if not 0 <= seconds < math.inf:
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
        delivery = in_flight.delivery
        if lane.take_pause():
            self._paused.add((delivery.group, lane.route.pattern))
        if isinstance(settled.outcome, Park):
            again = settled.redelivery(settled.history(CONSUMER))
            group = self._groups[delivery.group]
            self._backlog.add(self._waiting(delivery.type, group, again, is_own=True, due_ms=settled.due_ms))
        outcome = Outcome(delivery, settled.outcome)
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
            hint = nearest(event_type, [each for group in chosen for each in known_types(group)])
            raise ValueError(f"no handler of {names} subscribes to {event_type!r}{hint}")
        if len(found) > 1:
            names = ", ".join(group.name for group in found)
            raise ValueError(f"{names} subscribe to {event_type!r}: name one of them, as in group={found[0].name!r}")
        return found[0]

    def _is_paused(self, in_flight: InFlight) -> bool:
        delivery = in_flight.delivery
        return any(group == delivery.group and matches(pattern, delivery.type) for group, pattern in self._paused)

    def _check_open(self) -> None:
        if self._state != "open":
            raise RuntimeError(
                "this Bus is closed" if self._state == "closed" else "use it inside `async with Bus(...)`"
            )


def _groups(apps: App | Iterable[App], timeout: float | None) -> dict[str, Group]:
    """The groups by name. Raises ConfigError, and ValueError for what are no apps."""
    given = [apps] if isinstance(apps, App) else list(apps)
    if not given or not all(isinstance(app, App) for app in given):
        raise ValueError(f"Bus: expected an App, or several, not {apps!r}")
    if timeout is not None and not 0 < timeout < math.inf:
        raise ValueError(f"Bus(timeout={timeout!r}): a positive number of seconds is needed")
    groups = build(given, WorkerSettings().handler_timeout_s)
    if timeout is not None:
        groups = [
            replace(group, routes=tuple(replace(one, timeout_s=timeout) for one in group.routes)) for group in groups
        ]
    return {group.name: group for group in groups}


def _unix_ms(name: str, time: datetime) -> int:
    """Raises ValueError for a datetime without a time zone."""
    if time.tzinfo is None:
        raise ValueError(f"{name}={time!r}: a datetime with a time zone is needed, as in datetime.now(UTC)")
    return int(time.timestamp() * 1000)
