import contextlib
import functools

import pytest

from hookbus import App
from hookbus.shared.settings import ConfigError
from hookbus.worker.api.lifespan import lifespan_problem


@contextlib.asynccontextmanager
async def good(app):
    yield


async def undecorated(app):
    yield


def generator(app):
    yield


async def coroutine(app): ...


@contextlib.contextmanager
def plain(app):
    yield


@contextlib.asynccontextmanager
async def takes_nothing():
    yield


@contextlib.asynccontextmanager
async def takes_two(app, dsn):
    yield


@contextlib.asynccontextmanager
async def yields_nothing(app):
    return


class Opens:
    def __init__(self, app): ...

    async def __aenter__(self): ...

    async def __aexit__(self, *_): ...


class Half:
    def __init__(self, app): ...

    async def __aenter__(self): ...


class Opener:
    @contextlib.asynccontextmanager
    async def method(self, app):
        yield

    @contextlib.asynccontextmanager
    async def __call__(self, app):
        yield


@pytest.mark.parametrize(
    "lifespan",
    [None, good, Opens, Opener().method, Opener(), functools.partial(takes_two, dsn=""), lambda _: None],
)
def test_every_callable_that_makes_an_async_context_manager_of_the_app_is_a_lifespan(lifespan):
    assert App("billing", lifespan=lifespan).lifespan is lifespan


@pytest.mark.parametrize(
    ("lifespan", "problem"),
    [
        (5, "must be a function, not 5"),
        (good(None), "must be the function itself, not what a call of it returns"),
        (undecorated, "test_lifespan.py:16 undecorated is not decorated"),
        (functools.partial(undecorated), "undecorated is not decorated"),
        (generator, "generator is not decorated"),
        (coroutine, "coroutine contains no yield"),
        (yields_nothing, "yields_nothing contains no yield"),
        (plain, "plain is not async"),
        (takes_nothing, "takes_nothing must take the app alone (too many positional arguments)"),
        (takes_two, "takes_two must take the app alone (missing a required argument: 'dsn')"),
        (Opener, "Opener is a class without __aenter__ and __aexit__"),
        (Half, "Half is a class without __aexit__"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_others_are_refused_where_the_app_is_declared_with_what_to_write(lifespan, problem):
    with pytest.raises(ConfigError) as caught:
        App("billing", lifespan=lifespan)
    text = str(caught.value)
    assert problem in text
    assert "App('billing'): lifespan" in text
    assert "write @contextlib.asynccontextmanager above `async def lifespan(app):`" in text
    assert f"({__file__}:" in text


def test_a_callable_whose_parameters_cannot_be_shown_is_tried():
    assert lifespan_problem(type("Native", (), {"__call__": print})()) == ""
