import functools
import inspect

import pytest

from hookbus import App, Delivery, Retry
from hookbus.events import BY_TYPE, Event, ResponseCompleted, UnknownEvent
from hookbus.shared import keys
from hookbus.shared.settings import ConfigError
from hookbus.worker.api.app import ASYNC_CONCURRENCY, THREAD_CONCURRENCY
from hookbus.worker.pipeline.routes import Group, Route, build, known_types


async def handle(event): ...


def group_app(*patterns: str, name: str = "g") -> App:
    app = App(name)
    for pattern in patterns:
        app.on(pattern)(handle)
    return app


def group_of(*patterns: str, name: str = "g") -> Group:
    return build([group_app(*patterns, name=name)], 30)[0]


def route_of(handler, pattern="response.completed", **options) -> Route:
    app = App("g")
    app.on(pattern, **options)(handler)
    return build([app], 30)[0].routes[0]


def problems_of(*apps: App) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        build(apps, 30)
    return caught.value.problems


def problem_of(handler, pattern="response.completed") -> str:
    app = App("g")
    app.on(pattern)(handler)
    (problem,) = problems_of(app)
    assert "\n" not in problem
    return problem


def test_reserved_types_match_only_patterns_that_name_them():
    assert group_of("*").route("hookbus.verify.x") is None
    assert group_of("*", "hookbus.verify.x").route("hookbus.verify.x").pattern == "hookbus.verify.x"
    assert group_of("*").route("hookbusy.x").pattern == "*"
    assert not any(name.startswith(keys.RESERVED) for name in BY_TYPE)


@pytest.mark.parametrize("pattern", ["hookbus.*", "hookbus.verify.*"])
def test_a_wildcard_for_reserved_types_is_refused_since_it_would_match_nothing(pattern):
    assert f"{pattern!r} matches nothing" in problem_of(handle, pattern)


@pytest.mark.parametrize("patterns", [("*", "a.*", "a.b.*", "a.b.c"), ("a.b.c", "a.b.*", "a.*", "*")])
def test_the_most_specific_pattern_wins_in_whatever_order_they_were_declared(patterns):
    group = group_of(*patterns)
    won = {name: group.route(name).pattern for name in ("a.b.c", "a.b.d", "a.x", "z")}
    assert won == {"a.b.c": "a.b.c", "a.b.d": "a.b.*", "a.x": "a.*", "z": "*"}


def test_a_type_that_nobody_subscribed_to_has_no_route():
    assert group_of("response.*").route("batch.completed") is None


def test_a_tie_is_an_error_that_names_both_handlers():
    app = App("g")

    @app.on("a.*")
    async def first(event): ...

    @app.on("a.*")
    async def second(event): ...

    (problem,) = problems_of(app)
    assert problem.startswith("group g: two subscriptions to 'a.*'")
    for handler in (first, second):
        assert f"{__file__}:{handler.__code__.co_firstlineno} {handler.__qualname__}" in problem


def test_apps_of_one_group_are_joined_so_that_a_tie_between_them_is_found_too():
    first, second = App("g"), App("g")
    first.on("a")(handle)
    second.on("b")(handle)
    (group,) = build([first, second], 30)
    assert {route.pattern for route in group.routes} == {"a", "b"}
    second.on("a")(handle)
    assert "two subscriptions to 'a'" in problems_of(first, second)[0]


@pytest.mark.parametrize("pattern", ["", "a*", "*.a", "a.*.*", "a b", ".*.", "a:b", "**", "a/b", "x" * 129])
def test_an_invalid_pattern_is_refused_with_its_handler(pattern):
    problem = problem_of(handle, pattern)
    assert f"{pattern!r} is not a pattern: use an event type, 'prefix.*' or '*'" in problem
    assert "handle" in problem


def test_limits_default_by_kind_of_handler_and_by_the_settings():
    def plain(event): ...

    waiting, thread = route_of(handle), route_of(plain)
    assert (waiting.is_async, waiting.concurrency) == (True, ASYNC_CONCURRENCY)
    assert (thread.is_async, thread.concurrency) == (False, THREAD_CONCURRENCY)
    assert (waiting.timeout_s, waiting.max_age_s, waiting.retry) == (30, None, Retry())
    route = route_of(plain, concurrency=3, timeout=5, max_age=9, retry=Retry(attempts=2))
    assert (route.concurrency, route.timeout_s, route.max_age_s, route.retry.attempts) == (3, 5, 9, 2)


def one(event): ...
def hinted(event: ResponseCompleted): ...


def test_without_an_annotation_a_handler_gets_the_event_union():
    assert route_of(one).annotation == Event


def test_annotations_may_be_text_and_name_what_the_module_has():
    def late(event: "ResponseCompleted", delivery: "Delivery"): ...

    route = route_of(late)
    assert (route.annotation, route.wants_delivery) == (ResponseCompleted, True)


def test_a_bound_method_and_a_wrapped_handler_are_handlers():
    class Service:
        async def handle(self, event: dict, delivery: Delivery): ...

    def plainly_wrapped(handler):
        @functools.wraps(handler)
        def wrapper(*args):
            return handler(*args)

        return wrapper

    for handler in (Service().handle, plainly_wrapped(Service().handle)):
        route = route_of(handler)
        assert (route.annotation, route.wants_delivery, route.concurrency) == (dict, True, ASYNC_CONCURRENCY)
        assert route.is_async is (handler.__name__ == "handle" and inspect.ismethod(handler))


def nothing(): ...
def keyword(*, event): ...
def three(event, delivery, more): ...
def required_keyword(event, *, session): ...
def wrong_second(event, delivery: dict): ...
def unknown_name(event: "NobodyKnowsMe"): ...  # type: ignore[name-defined] # noqa: F821
def no_expression(event: "not an expression"): ...  # type: ignore[valid-type] # noqa: F722
def broken(event: "1 / 0"): ...  # type: ignore[valid-type]
def delivery_by_name(event, *, delivery=None): ...
def delivery_by_name_and_type(event, *, meta: Delivery | None = None): ...
def listed_class(event: [ResponseCompleted]): ...  # type: ignore[valid-type]
def delivery_alone(delivery: Delivery): ...


@functools.lru_cache
def cached(event): ...


def yields(event):
    yield event


async def yields_async(event):
    yield event


def text(event: str): ...
def number(event: int | None): ...
def listed(event: list[dict]): ...
def mixed(event: dict | ResponseCompleted): ...


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (nothing, "a handler takes the event, and optionally the Delivery"),
        (keyword, "a handler takes the event, and optionally the Delivery"),
        (three, "a handler takes the event, and optionally the Delivery"),
        (required_keyword, "a handler takes the event, and optionally the Delivery"),
        (wrong_second, "its second parameter must be a Delivery, not <class 'dict'>"),
        (unknown_name, "its annotations can't be read: name 'NobodyKnowsMe' is not defined"),
        (no_expression, "its annotations can't be read: Forward reference must be an expression"),
        (broken, "its annotations can't be read: division by zero"),
        (yields, "it contains a yield, so a call would run nothing"),
        (yields_async, "it contains a yield, so a call would run nothing"),
        (text, "can't decode an event into str: annotate with an event struct, Event, UnknownEvent,"),
        (number, "can't decode an event into int"),
        (listed, "can't decode an event into list"),
        (mixed, "dict must stand alone, not in a union"),
        (max, "its parameters can't be read: no signature found"),
        ({}.update, "its parameters can't be read: no signature found"),
        (cached, "its parameters can't be read: no signature found"),
        (delivery_by_name, "the Delivery is passed by position: write (event, delivery) without a `*`"),
        (delivery_by_name_and_type, "the Delivery is passed by position"),
        (listed_class, "is no type; write the class alone"),
        (delivery_alone, "its first parameter is the event, and the Delivery the second"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_an_impossible_handler_is_refused_with_a_message_that_says_why(handler, message):
    problem = problem_of(handler)
    assert problem.startswith("group g, ")
    assert getattr(handler, "__name__", "") in problem
    assert message in problem


def test_a_struct_on_a_pattern_that_matches_other_types_is_refused_at_the_start():
    problem = problem_of(hinted, "response.*")
    assert problem == (
        f"group g, {__file__}:{hinted.__code__.co_firstlineno} hinted on 'response.*': ResponseCompleted covers"
        " response.completed, but the pattern matches response.cancelled too"
    )
    assert "but the pattern matches" in problem_of(hinted, "*")
    assert "ResponseCompleted covers response.completed, but" in problem_of(hinted, "batch.completed")


def test_a_struct_of_openais_on_the_types_of_another_sender_is_refused_at_the_start():
    for pattern in ("claude.*", "claude.response.completed", "claude.response.*"):
        assert "covers response.completed, but the pattern matches claude." in problem_of(hinted, pattern)
    assert route_of(handle, "claude.*").annotation == Event


def test_types_of_a_more_specific_pattern_need_not_be_in_the_annotation():
    app = App("g")
    app.on("response.completed")(hinted)
    app.on("response.*")(handle)
    assert len(build([app], 30)[0].routes) == 2


def test_all_problems_are_reported_together():
    app, empty = App("g"), App("other")
    app.on("a b")(handle)
    app.on("x")(handle)
    app.on("x")(handle)
    app.on("y")(nothing)
    assert len(problems_of(app, empty)) == 4
    annotated = App("third")
    annotated.on("response.*")(hinted)
    annotated.on("batch.*")(hinted)
    assert len(problems_of(annotated)) == 2


def test_known_types_are_the_documented_ones_and_those_that_a_group_names():
    assert set(known_types(group_of("*"))) == {*BY_TYPE, keys.UNTYPED}
    assert set(known_types(group_of("my.own", "video.*"))) == {"my.own", "video.completed", "video.failed"}


def test_a_decoder_is_made_once_for_each_type():
    route = route_of(handle, "*")
    assert route.decoder("new.type") is route.decoder("new.type")
    assert isinstance(route.decoder("new.type")(b'{"type": "new.type"}'), UnknownEvent)


def test_a_second_parameter_may_say_the_type_of_the_state():
    async def typed(event: dict, delivery: Delivery[dict[str, int]]) -> None: ...

    async def maybe(event: dict, other: Delivery[int] | None = None) -> None: ...

    assert route_of(typed).wants_delivery
    assert route_of(maybe).wants_delivery
