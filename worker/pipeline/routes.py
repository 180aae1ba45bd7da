"""Maps each event type to a subscription of a group. All routes are checked before the first read.

A pattern is an exact type, `prefix.*` or `*`. The longest pattern that matches wins; the same pattern twice in a group
is ambiguous, and an error.
"""

import functools
import inspect
import typing
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...shared import keys
from ...shared.events import BY_TYPE, Event
from ...shared.patterns import is_pattern, patterns_of
from ...shared.settings import ConfigError
from ..api.annotation import ImpossibleError, classes_of
from ..api.app import ASYNC_CONCURRENCY, THREAD_CONCURRENCY, App, Start, Subscription
from ..api.around import Around
from ..api.breaker import Breaker
from ..api.callee import innermost, is_async_inside, parameters_of, place_of, returns_coroutine
from ..api.decode import decoder_for
from ..api.delivery import Delivery
from ..api.narrowing import Sources
from ..api.on_failure import OnFailure
from ..api.own_class import Decoder
from ..api.parameters import DELIVERY
from ..api.retry import Retry
from .app_state import AppState
from .cause import add_application


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """A subscription, ready to run."""

    group: str
    pattern: str
    handler: Callable[..., Any]
    annotation: Any
    wants_delivery: bool
    is_async: bool
    concurrency: int
    timeout_s: float
    max_age_s: float | None
    retry: Retry
    breaker: Breaker | None
    sources: Sources | None
    """The sources whose events it runs; None for all."""
    state: AppState | None
    """None if its app has no lifespan."""
    around: tuple[Around, ...]
    on_failure: OnFailure | None
    decoders: dict[str, Decoder] = field(default_factory=dict)

    def decoder(self, event_type: str) -> Decoder:
        """The decoder of a type, created once. Raises ImpossibleError."""
        if event_type not in self.decoders:
            self.decoders[event_type] = decoder_for(self.annotation, event_type)
        return self.decoders[event_type]


@dataclass(frozen=True, slots=True)
class Group:
    """A group's routes, the most specific first."""

    name: str
    start: Start
    routes: tuple[Route, ...]
    app_states: tuple[AppState, ...] = ()
    """Of its apps with a lifespan."""

    def route(self, event_type: str) -> Route | None:
        """The route of a type; None if the group does not subscribe to it."""
        patterns = patterns_of(event_type)
        return next((route for route in self.routes if route.pattern in patterns), None)


def build(apps: Sequence[App], timeout_s: float) -> list[Group]:
    """The groups of some apps; apps of one group are merged. `timeout_s` is the default of subscriptions without one.

    Raises ConfigError with all problems.
    """
    problems: list[str] = []
    apps_by_group: dict[str, list[App]] = {}
    for app in dict.fromkeys(apps):
        apps_by_group.setdefault(app.group, []).append(app)
    groups = []
    for name, members in apps_by_group.items():
        if len({app.start for app in members}) > 1:
            starts = " and ".join(f"{app.start!r}{app.where}" for app in members)
            problems.append(f"group {name}: its apps disagree about start: {starts}")
        subscriptions = [subscription for app in members for subscription in app.subscriptions]
        if not subscriptions:
            problems.append(f"group {name}{members[0].where}: no subscriptions; decorate a handler with @app.on(...)")
        problems += _ties(name, subscriptions)
        states = {app: AppState(app) for app in members if app.lifespan is not None}
        candidates = [
            _route(app, subscription, timeout_s, problems, states.get(app))
            for app in members
            for subscription in app.subscriptions
        ]
        routes = [route for route in candidates if route is not None]
        routes.sort(key=lambda route: (not route.pattern.endswith("*"), len(route.pattern)), reverse=True)
        groups.append(Group(name, members[0].start, tuple(routes), tuple(states.values())))
    if not problems:
        problems = [problem for group in groups for problem in _annotation_problems(group)]
    if problems:
        raise ConfigError(problems)
    return groups


def known_types(group: Group) -> Iterable[str]:
    """The types known at start that a group subscribes to: documented ones, and exact types of its own patterns."""
    exact = (route.pattern for route in group.routes if not route.pattern.endswith("*"))
    return (name for name in dict.fromkeys((*BY_TYPE, keys.UNTYPED, *exact)) if group.route(name) is not None)


def _ties(group: str, subscriptions: Sequence[Subscription]) -> list[str]:
    first: dict[str, Subscription] = {}
    problems = []
    for subscription in subscriptions:
        other = first.setdefault(subscription.pattern, subscription)
        if other is not subscription:
            both = f"{other.where} and {subscription.where}"
            if other.where == subscription.where:
                both = f"{other.where}, in two Apps; was its factory called twice?"
            problems.append(f"group {group}: two subscriptions to {subscription.pattern!r}: {both}")
    return problems


def _route(
    app: App, subscription: Subscription, timeout_s: float, problems: list[str], state: AppState | None
) -> Route | None:
    where = f"group {app.group}, {subscription.where}"
    pattern = subscription.pattern
    if not is_pattern(pattern):
        problems.append(f"{where}: {pattern!r} is not a pattern: use an event type, 'prefix.*' or '*'")
        return None
    if pattern.startswith(keys.RESERVED) and pattern.endswith("*"):
        problems.append(f"{where}: {pattern!r} matches nothing: hookbus's own types match only their full names")
        return None
    try:
        annotation, wants_delivery = _parameters(subscription.handler)
    except ImpossibleError as error:
        problems.append(f"{where}: {error}")
        return None
    handler = subscription.handler
    add_application(getattr(innermost(handler), "__module__", None) or "")
    return Route(
        group=app.group,
        pattern=pattern,
        handler=handler,
        annotation=annotation,
        wants_delivery=wants_delivery,
        is_async=returns_coroutine(handler),
        concurrency=subscription.concurrency or (ASYNC_CONCURRENCY if is_async_inside(handler) else THREAD_CONCURRENCY),
        timeout_s=subscription.timeout_s or timeout_s,
        max_age_s=subscription.max_age_s,
        retry=subscription.retry,
        breaker=subscription.breaker,
        sources=subscription.sources,
        state=state,
        around=app.around,
        on_failure=app.on_failure,
    )


def _parameters(handler: Callable[..., Any]) -> tuple[Any, bool]:
    """The annotation of the event parameter, and whether a second one takes the `Delivery`."""
    parameters, hints = parameters_of(handler)
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if not len(positional) >= 1 or len(required) > 2 or any(p.kind is p.KEYWORD_ONLY for p in required):
        raise ImpossibleError("a handler takes the event, and optionally the Delivery")
    by_name = [p for p in parameters if p.kind is p.KEYWORD_ONLY and not isinstance(handler, functools.partial)]
    if any(p.name == DELIVERY or _names_delivery(hints.get(p.name)) for p in by_name):
        raise ImpossibleError("the Delivery is passed by position: write (event, delivery) without a `*`")
    return hints.get(positional[0].name, Event), len(positional) > 1 and _takes_delivery(positional[1], hints)


def _takes_delivery(second: inspect.Parameter, hints: dict[str, Any]) -> bool:
    """Whether the second parameter is for the `Delivery`; with a default it may serve another purpose."""
    is_required = second.default is second.empty
    if second.name not in hints:
        return is_required or second.name == DELIVERY
    hint = hints[second.name]
    takes = _names_delivery(hint)
    if is_required and (hint is Any or hint is object):
        return True
    if is_required and not takes:
        raise ImpossibleError(f"its second parameter must be a Delivery, not {hint}")
    return takes


def _names_delivery(hint: Any) -> bool:
    """Whether an annotation is `Delivery`, or a union with it, by whatever name."""
    try:
        return any((typing.get_origin(each) or each) is Delivery for each in classes_of(hint))
    except ImpossibleError:
        return False


def _annotation_problems(group: Group) -> list[str]:
    """Annotations that cannot represent a type that their pattern matches: of all types known at start, and one for
    each prefix that none of them has, as that of another sender."""
    problems = {}
    known = list(known_types(group))
    prefixes = [route.pattern[:-1] for route in group.routes if route.pattern.endswith(".*")]
    others = [prefix + keys.UNTYPED for prefix in prefixes if not any(name.startswith(prefix) for name in known)]
    for event_type in (*known, *others):
        route = group.route(event_type)
        if route is None or route in problems or (event_type == keys.UNTYPED and route.pattern == "*"):
            continue
        try:
            route.decoder(event_type)
        except ImpossibleError as error:
            problems[route] = f"group {group.name}, {place_of(route.handler)} on {route.pattern!r}: {error}"
    return list(problems.values())
