"""Arguments of a `Bus` that it refuses, with what is needed; and what its end tells."""

import contextlib
import dataclasses
from datetime import timedelta

import pytest

from hookbus import App, Breaker, Retry
from hookbus.shared.command import FailedError
from hookbus.testing import Bus
from tests.worker.testing.handlers import TYPE, Handler, an_app
from tests.worker.testing.test_bus_state import Lifespan


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": "x"}, "Bus\\(timeout='x'\\): a positive number"),
        ({"timeout": 0}, "a positive number"),
        ({"timeout": True}, "a positive number"),
        ({"now": 3}, "now=3: a datetime with a time zone is needed"),
        ({"state": {"client": 1}}, "none of these apps has a lifespan"),
    ],
    ids=str,
)
def test_an_option_that_a_bus_cannot_have_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Bus(an_app(Handler()), **options)


@pytest.mark.parametrize("apps", [None, 5, [], [None]], ids=repr)
def test_what_is_no_app_is_refused(apps):
    with pytest.raises(ValueError, match="Bus: expected an App, or several, not"):
        Bus(apps)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "no such source!!"}, "the name of a source is needed"),
        ({"source": 5}, "the name of a source is needed"),
        ({"webhook_id": "a b\n"}, "1 to 255 visible ASCII characters"),
        ({"traceparent": "garbage"}, "traceparent='garbage': 00-<32 hex digits>"),
        ({"traceparent": 5}, "traceparent=5"),
        ({"received_at": 5}, "received_at=5: a datetime with a time zone is needed"),
    ],
    ids=str,
)
async def test_what_ingest_would_not_store_is_refused(options, message):
    async with Bus(an_app(Handler())) as bus:
        with pytest.raises(ValueError, match=message):
            await bus.deliver(TYPE, **options)


@pytest.mark.parametrize("seconds", ["3", timedelta(seconds=3), -1, float("nan"), None], ids=repr)
async def test_a_time_that_is_no_number_of_seconds_is_refused(seconds):
    async with Bus(an_app(Handler())) as bus:
        with pytest.raises(ValueError, match="a number of seconds from 0 on is needed"):
            await bus.advance(seconds)


class Unclosable(Lifespan):
    """Fails in its cleanup."""

    @contextlib.asynccontextmanager
    async def __call__(self, app: App):
        yield
        raise OSError("still in use")


async def test_a_lifespan_that_fails_in_its_cleanup_fails_the_test():
    app = App("billing", lifespan=Unclosable())
    app.on(TYPE)(Handler())
    with pytest.raises(FailedError, match="failed to close: OSError: still in use") as caught:
        async with Bus(app) as bus:
            assert (await bus.deliver(TYPE)).is_handled
    assert isinstance(caught.value.__cause__, OSError)


async def test_an_error_of_the_test_itself_comes_first():
    app = App("billing", lifespan=Unclosable())
    app.on(TYPE)(Handler())
    with pytest.raises(KeyError):
        async with Bus(app):
            raise KeyError


async def test_what_users_get_is_frozen():
    async with Bus(an_app(Handler())) as bus:
        outcome = await bus.deliver(TYPE)
    for value in (outcome, Retry(), Breaker()):
        for name in ("reason", "delivery", "attempts", "failures", "misspelt"):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(value, name, 1)
