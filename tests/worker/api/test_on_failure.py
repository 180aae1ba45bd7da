import functools

import pytest

from hookbus import App
from hookbus.shared.settings import ConfigError


def plain(delivery, error, outcome): ...


async def coroutine(delivery, error, outcome): ...


def generator(delivery, error, outcome):
    yield


async def async_generator(delivery, error, outcome):
    yield


def short(delivery, error): ...


class Object:
    def __call__(self, delivery, error, outcome): ...

    async def method(self, delivery, error, outcome, more=None): ...


@pytest.mark.parametrize(
    "function", [None, plain, coroutine, Object(), Object().method, functools.partial(plain), lambda *_: None]
)
def test_every_function_of_three_arguments_is_taken_sync_or_async(function):
    assert App("billing", on_failure=function).on_failure is function


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (5, "on_failure: 5 is not a function"),
        ([plain], "is not a function"),
        (Object, "Object'> is not a function"),
        (generator, " generator contains a yield"),
        (async_generator, " async_generator contains a yield"),
        (short, "short must take delivery, error and outcome (too many positional arguments)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_others_are_refused_where_the_app_is_declared_with_what_to_write(function, problem):
    with pytest.raises(ConfigError) as caught:
        App("billing", on_failure=function)
    text = str(caught.value)
    assert problem in text
    assert "write `def report(delivery, error, outcome):`" in text
    assert f"({__file__}:" in text
