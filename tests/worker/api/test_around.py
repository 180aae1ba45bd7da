import functools
from contextlib import asynccontextmanager

import pytest

from hookbus import App
from hookbus.shared.settings import ConfigError


async def good(call, event, delivery):
    await call()


@functools.wraps(good)
def wrapped(*args):
    return good(*args)


def plain(call, event, delivery): ...


async def generator(call, event, delivery):
    yield


@asynccontextmanager
async def manager(event, delivery):
    yield


async def short(event, delivery): ...


async def keyword(call, event, *, delivery): ...


class Object:
    async def __call__(self, call, event, delivery): ...

    async def method(self, call, event, delivery): ...


@pytest.mark.parametrize("function", [good, wrapped, Object(), Object().method, functools.partial(good)])
def test_every_async_callable_of_three_arguments_is_taken(function):
    assert App("billing", around=[function]).around == (function,)
    assert App("billing", around=(good, function)).around == (good, function)


@pytest.mark.parametrize(
    ("around", "problem"),
    [
        (good, "around must be a list of functions, as in around=[traced], not " + __file__),
        (None, "around must be a list of functions, as in around=[traced], not None"),
        ([5], "around: 5 is not a function"),
        ([good, plain], "test_around.py:19 plain is not async, or contains a yield"),
        ([generator], "generator is not async, or contains a yield"),
        ([manager], "manager is not async, or contains a yield"),
        ([Object], "Object is not async, or contains a yield"),
        ([short], "short must take call, event and delivery (too many positional arguments)"),
        ([keyword], "keyword must take call, event and delivery (too many positional arguments)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_others_are_refused_where_the_app_is_declared_with_what_to_write(around, problem):
    with pytest.raises(ConfigError) as caught:
        App("billing", around=around)
    text = str(caught.value)
    assert problem in text
    assert f"({__file__}:" in text
    assert isinstance(around, list) is ("write `async def traced(call, event, delivery):`" in text)


def test_all_problems_of_an_app_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        App("billing", lifespan=5, around=[plain, short])
    assert len(caught.value.problems) == 3
