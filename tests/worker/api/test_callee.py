"""Every kind of Python callable can be a handler, with the annotations of the function that runs first."""

import asyncio
import functools
import threading
from typing import ClassVar

import pytest

from hookbus.events import ResponseCompleted
from hookbus.shared.settings import ConfigError
from hookbus.worker.api.app import ASYNC_CONCURRENCY, THREAD_CONCURRENCY, App
from hookbus.worker.api.callee import place_of
from hookbus.worker.api.delivery import Delivery
from hookbus.worker.pipeline.outcome import ACK
from hookbus.worker.pipeline.routes import Route, build
from tests.worker.api import postponed
from tests.worker.pipeline.test_process import outcome_of


async def later(event: ResponseCompleted, delivery: Delivery, db: int = 0): ...
def plain(event: ResponseCompleted, delivery: Delivery, db: int = 0): ...


class Service:
    event: ClassVar[int] = 3  # no parameter's annotation
    delivery: ClassVar[str]

    async def method(self, event: ResponseCompleted, delivery: Delivery): ...

    @classmethod
    async def of_class(cls, event: ResponseCompleted, delivery: Delivery): ...

    @staticmethod
    async def static(event: ResponseCompleted, delivery: Delivery): ...


class Waiting:
    event: int

    async def __call__(self, event: ResponseCompleted, delivery: Delivery): ...


class Blocking:
    event: int

    def __call__(self, event: ResponseCompleted, delivery: Delivery): ...


class Static:
    event: int

    @staticmethod
    async def __call__(event: ResponseCompleted, delivery: Delivery): ...


class OfClass:
    event: int

    @classmethod
    async def __call__(cls, event: ResponseCompleted, delivery: Delivery): ...


class Partly:
    event: int

    async def handle(self, db: int, event: ResponseCompleted, delivery: Delivery): ...

    __call__ = functools.partialmethod(handle, 1)


class Decorator:
    """A decorator that is an object."""

    event: int

    def __init__(self, handler):
        functools.update_wrapper(self, handler)

    def __call__(self, *args):
        return self.__wrapped__(*args)


def wrapped(handler):
    @functools.wraps(handler)
    def wrapper(*args, **options):
        return handler(*args, **options)

    return wrapper


ASYNC = {
    "function": later,
    "method": Service().method,
    "class_method": Service.of_class,
    "static_method": Service.static,
    "object": Waiting(),
    "partial": functools.partial(later, db=1),
    "partial_of_a_partial": functools.partial(functools.partial(later), db=1),
    "partial_of_a_method": functools.partial(Service.method, Service()),
    "partial_of_an_object": functools.partial(Waiting()),
    "static_call": Static(),
    "call_of_class": OfClass(),
    "partial_call": Partly(),
}
PLAIN = {
    "function": plain,
    "object": Blocking(),
    "partial": functools.partial(plain, db=1),
    "wrapped": wrapped(plain),
}
WRAPPED = {
    "function": wrapped(later),
    "call": wrapped(Waiting().__call__),
    "object": wrapped(Waiting()),
    "inner_partial": wrapped(functools.partial(later, db=1)),
    "decorator_object": Decorator(later),
    "method": wrapped(Service().method),
    "partial": functools.partial(wrapped(later), db=1),
}


def route_of(handler) -> Route:
    app = App("g")
    app.on("response.completed")(handler)
    [group] = build([app], 30)
    return group.routes[0]


def shape_of(handler) -> tuple[object, bool, bool, int]:
    route = route_of(handler)
    return route.annotation, route.wants_delivery, route.is_async, route.concurrency


@pytest.mark.parametrize("name", ASYNC)
def test_callables_that_return_a_coroutine_run_on_the_loop(name):
    assert shape_of(ASYNC[name]) == (ResponseCompleted, True, True, ASYNC_CONCURRENCY)


@pytest.mark.parametrize("name", PLAIN)
def test_plain_callables_run_in_a_thread(name):
    assert shape_of(PLAIN[name]) == (ResponseCompleted, True, False, THREAD_CONCURRENCY)


@pytest.mark.parametrize("name", WRAPPED)
def test_a_plain_wrapper_runs_in_a_thread_with_the_concurrency_of_its_handler(name):
    assert shape_of(WRAPPED[name]) == (ResponseCompleted, True, False, ASYNC_CONCURRENCY)


@pytest.mark.parametrize("handler", [*ASYNC.values(), *PLAIN.values(), *WRAPPED.values()])
async def test_each_kind_of_callable_handles_an_event(handler):
    assert await outcome_of(handler) == ACK


async def test_a_wrapper_that_does_work_of_its_own_does_not_block_the_loop():
    """Its own half runs in a thread, and the coroutine that it returns runs on the loop."""
    loop_turned = threading.Event()

    async def handler(event: dict):
        assert threading.current_thread() is threading.main_thread()

    @functools.wraps(handler)
    def wrapper(event):
        assert loop_turned.wait(20)
        return handler(event)

    running = asyncio.ensure_future(outcome_of(wrapper))
    await asyncio.sleep(0)
    loop_turned.set()
    assert await running == ACK


@pytest.mark.parametrize("name", ["generator", "async_generator"])
async def test_a_generator_that_a_plain_function_returns_is_a_failure_as_nothing_has_run(name):
    def handler(event):
        return {"generator": generator, "async_generator": async_generator}[name](event)

    outcome = await outcome_of(handler)
    assert outcome != ACK
    assert "which never ran" in str(outcome)


def generator(event):
    yield event


async def async_generator(event):
    yield event


class Yields:
    def __call__(self, event):
        yield event


def hidden(*args): ...


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (functools.partial(generator), "it contains a yield"),
        (functools.partial(async_generator), "it contains a yield"),
        (wrapped(generator), "it contains a yield"),
        (Yields(), "it contains a yield"),
        (Service, "it is a class"),
        (hidden, "use functools.wraps"),
        (functools.partial(plain, 1, 2, 3), "a handler takes the event"),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_a_callable_that_cannot_be_a_handler_is_refused_with_its_place(handler, message):
    with pytest.raises(ConfigError) as refused:
        route_of(handler)
    [problem] = refused.value.problems
    assert message in problem
    assert place_of(handler) in problem


@pytest.mark.parametrize("handler", [postponed.typed, postponed.decorated, postponed.Service().method])
def test_annotations_that_a_future_import_postponed_are_read(handler):
    assert shape_of(handler)[:2] == (ResponseCompleted, True)


def test_an_event_that_only_the_type_checker_imports_is_refused_with_what_to_do():
    with pytest.raises(ConfigError) as refused:
        route_of(postponed.unknown)
    [problem] = refused.value.problems
    assert f"{postponed.__file__}:{postponed.unknown.__code__.co_firstlineno} unknown: its annotations" in problem
    assert problem.endswith("name 'BatchCompleted' is not defined; import or define it at the top of the module")


def test_the_place_of_a_partial_is_that_of_its_function():
    assert place_of(functools.partial(later)) == f"{__file__}:{later.__code__.co_firstlineno} later"
    assert " object at 0x" not in place_of(Waiting())
