"""A handler receives the arguments that its outermost layer accepts, annotated as in the innermost function."""

import functools
import inspect

import pytest

from hookbus.events import ResponseCompleted
from hookbus.worker.api.delivery import Delivery
from hookbus.worker.api.parameters import call_signature
from hookbus.worker.pipeline.outcome import ACK
from tests.worker.api.test_callee import route_of
from tests.worker.pipeline.test_process import outcome_of


async def both(event: ResponseCompleted, delivery: Delivery): ...
async def one(event: ResponseCompleted): ...
async def with_option(event: ResponseCompleted, db: int = 0): ...


def fewer(handler):
    @functools.wraps(handler)
    async def wrapper(event):
        return await handler(event, None)

    return wrapper


def fewer_otherwise_named(handler):
    @functools.wraps(handler)
    def wrapper(what):
        return handler(what, None)

    return wrapper


def more(handler):
    @functools.wraps(handler)
    async def wrapper(event, delivery):
        assert isinstance(delivery, Delivery)
        return await handler(event)

    return wrapper


def any_number(handler):
    @functools.wraps(handler)
    async def wrapper(*args, **options):
        return await handler(*args, **options)

    return wrapper


def first_and_any_number(handler):
    @functools.wraps(handler)
    async def wrapper(event, *args):
        return await handler(event, *args)

    return wrapper


class Fewer:
    def __init__(self, handler):
        functools.update_wrapper(self, handler)

    async def __call__(self, event):
        return await self.__wrapped__(event, None)


class Service:
    @any_number
    async def both(self, event: ResponseCompleted, delivery: Delivery): ...

    @staticmethod
    @fewer
    async def one(event: ResponseCompleted, delivery: Delivery): ...


HANDLERS = {
    "fewer": (fewer(both), False),
    "fewer_otherwise_named": (fewer_otherwise_named(both), False),
    "fewer_by_an_object": (Fewer(both), False),
    "fewer_below_any_number": (any_number(fewer(both)), False),
    "any_number_below_fewer": (fewer(any_number(both)), False),
    "fewer_below_an_object_of_any_number": (first_and_any_number(Fewer(both)), False),
    "partial_of_fewer": (functools.partial(fewer(both)), False),
    "fewer_of_a_partial": (fewer(functools.partial(both)), False),
    "fewer_of_a_method": (fewer(Service().both), False),
    "static_fewer": (Service.one, False),
    "more": (more(one), True),
    "more_than_an_option": (more(with_option), True),
    "any_number_above_more": (any_number(more(one)), True),
    "any_number": (any_number(both), True),
    "first_and_any_number": (first_and_any_number(both), True),
    "method_of_any_number": (Service().both, True),
    "partial_of_any_number": (functools.partial(any_number(both)), True),
    "updated_partial": (functools.update_wrapper(functools.partial(both, delivery=None), both), False),
}


@pytest.mark.parametrize("name", HANDLERS)
async def test_a_handler_gets_the_arguments_that_its_outermost_layer_accepts(name):
    handler, wants_delivery = HANDLERS[name]
    route = route_of(handler)
    assert (route.annotation, route.wants_delivery) == (ResponseCompleted, wants_delivery)
    assert await outcome_of(handler) == ACK


def test_wrappers_in_a_circle_are_refused():
    def handler(event): ...

    handler.__wrapped__ = handler
    with pytest.raises(ValueError, match="more than 100 wrappers"):
        call_signature(handler)


@pytest.mark.parametrize(
    "handler", [both, functools.partial(both), Service.one, lambda event=1, /, *rest, db, **options: None]
)
def test_the_signature_of_an_unwrapped_callable_is_that_of_inspect(handler):
    assert call_signature(handler).parameters == inspect.signature(handler, follow_wrapped=False).parameters
