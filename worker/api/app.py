"""Declares handlers: an `App` is a group, `on` subscribes a handler to a pattern of event types."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeVar

from ...shared import keys
from ...shared.settings import ConfigError
from ...shared.traced import repr_of
from .around import Around, around_problems
from .breaker import Breaker
from .callee import place_of
from .callsite import caller, checked_call, checked_class
from .declaration import option_problems
from .delivery import Delivery
from .lifespan import Lifespan, lifespan_problem
from .narrowing import Sources, narrowed
from .on_failure import OnFailure, on_failure_problem
from .retry import Retry

Handler = TypeVar("Handler", bound=Callable[[Any], Any] | Callable[[Any, Delivery[Any]], Any])
"""Type checkers refuse other parameters. The decorated function keeps its type."""
Start = Literal["earliest", "latest"] | datetime

ASYNC_CONCURRENCY: Final = 100
"""Default number of deliveries that a subscription runs at once in one process: async handlers mostly wait for I/O."""
THREAD_CONCURRENCY: Final = 16
"""Default for plain `def` handlers, each of which takes a thread."""

DEFAULT_RETRY: Final = Retry()
DEFAULT_BREAKER: Final = Breaker()


@dataclass(frozen=True, slots=True)
class Subscription:
    """The arguments of one `on`. None means the default, which may come from the settings."""

    pattern: str
    handler: Callable[..., Any]
    concurrency: int | None = None
    timeout_s: float | None = None
    max_age_s: float | None = None
    retry: Retry = DEFAULT_RETRY
    breaker: Breaker | None = DEFAULT_BREAKER
    sources: Sources | None = None
    """The sources whose events reach the handler; None for all."""

    @property
    def where(self) -> str:
        """Location of the handler for messages: `file:line name`."""
        return place_of(self.handler)


@checked_class
class App:
    """A consumer group and its handlers.

    `start` applies once, when the first worker of the group starts and creates it: `"earliest"` delivers every stored
    event, `"latest"` only later ones, a datetime (with a time zone) those received since. `source`: the one whose
    events the handlers get, or several; others are acked unrun. `lifespan`: an async context manager, entered once per
    process before the first delivery and left after the last; `Delivery.state` is what it yields. `around`: async
    functions of `call`, `event` and `delivery` that run around each handler, the first one outermost. `on_failure`:
    called with `delivery`, `error` and `outcome` after each failed attempt. Raises ConfigError.
    """

    def __init__(
        self,
        group: str,
        *,
        start: Start = "earliest",
        source: str | Collection[str] | None = None,
        lifespan: Lifespan | None = None,
        around: Sequence[Around] = (),
        on_failure: OnFailure | None = None,
    ) -> None:
        if not isinstance(group, str) or not keys.is_name(group) or group == keys.HANDOVER:
            raise ConfigError([f"App(group={repr_of(group)}): a group name is 1 to 128 of A-Z a-z 0-9 _ . -{caller()}"])
        if start not in ("earliest", "latest") and not (isinstance(start, datetime) and start.tzinfo):
            raise ConfigError(
                [f'App(start={repr_of(start)}): "earliest", "latest", or a datetime with a time zone{caller()}']
            )
        problems = [lifespan_problem(lifespan), *around_problems(around), on_failure_problem(on_failure)]
        if any(problems):
            raise ConfigError([f"App({group!r}): {problem}{caller()}" for problem in problems if problem])
        self.group = group
        self.where = caller()
        """Where it was declared, for messages: ` (file:line)`."""
        self.start: Start = start
        self.sources = narrowed(f"App({group!r})", source)
        self.lifespan = lifespan
        self.around = tuple(around)
        self.on_failure = on_failure
        self.subscriptions: list[Subscription] = []

    @checked_call("App.on")
    def on(
        self,
        pattern: str,
        *,
        concurrency: int | None = None,
        timeout: float | None = None,
        max_age: float | None = None,
        source: str | Collection[str] | None = None,
        retry: Retry | None = None,
        breaker: Breaker | None = DEFAULT_BREAKER,
    ) -> Callable[[Handler], Handler]:
        """Subscribe the decorated handler to an event type, `"prefix.*"` or `"*"`; the most specific pattern wins.

        `concurrency`: maximum of deliveries at once in one process. `timeout`: seconds that an attempt may take.
        `max_age`: maximum age of an event in seconds since its `created_at` (else since receipt); older ones become
        dead letters (`expired`). `source`: as of `App`, and within it. `breaker`: None never suspends a failing
        subscription. Raises ConfigError.
        """
        problems = option_problems(
            pattern, concurrency=concurrency, timeout_s=timeout, max_age_s=max_age, retry=retry, breaker=breaker
        )
        if problems:
            raise ConfigError([f"{problem}{caller()}" for problem in problems])
        sources = narrowed(f"on({pattern!r})", source, self.sources)

        @checked_call(f"on({pattern!r})")
        def subscribe(handler: Handler) -> Handler:
            if not callable(handler):
                raise ConfigError([f"on({pattern!r}): {repr_of(handler)} is not callable{caller()}"])
            self.subscriptions.append(
                Subscription(pattern, handler, concurrency, timeout, max_age, retry or DEFAULT_RETRY, breaker, sources)
            )
            return handler

        return subscribe
