import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from hookbus import App, Call, Delivery, Outcome, Reject, Retry
from hookbus.shared.command import FailedError
from hookbus.testing import Bus
from tests.worker.testing.handlers import TYPE, Handler, an_app


class Lifespan:
    """Yields a state, and tells whether it is open."""

    def __init__(self, **state: object):
        self.state = state
        self.log: list[str] = []

    @contextlib.asynccontextmanager
    async def __call__(self, app: App) -> AsyncIterator[dict[str, object]]:
        self.log.append("opened")
        try:
            yield self.state
        finally:
            self.log.append("closed")


async def test_the_lifespan_of_each_app_is_open_in_the_bus_and_its_handlers_have_its_state():
    one, other, handler, no_state = Lifespan(name="one"), Lifespan(name="other"), Handler(), Handler()
    apps = [App("one", lifespan=one), App("other", lifespan=other)]
    for app in apps:
        app.on(TYPE)(handler)
    async with Bus([*apps, an_app(no_state, group="none")]) as bus:
        assert (one.log, other.log) == (["opened"], ["opened"])
        outcomes = [await bus.deliver(TYPE, group=name) for name in ("one", "other", "none")]
        assert [outcome.delivery.state for outcome in outcomes] == [{"name": "one"}, {"name": "other"}, {}]
        assert [delivery.state for delivery in handler.deliveries] == [{"name": "one"}, {"name": "other"}]
    assert (one.log, other.log) == (["opened", "closed"], ["opened", "closed"])


@pytest.mark.parametrize("state", [{"name": "fake"}, {}, None, "anything"])
async def test_a_state_of_the_test_takes_the_place_of_all_lifespans(state):
    lifespan, handler = Lifespan(name="real"), Handler(ValueError(), None)
    app = App("billing", lifespan=lifespan)
    app.on(TYPE)(handler)
    async with Bus([app, an_app(handler, "batch.*", "other")], state=state) as bus:
        await bus.deliver(TYPE)
        await bus.deliver("batch.failed")
        await bus.finish()
    assert [delivery.state for delivery in handler.deliveries] == [state] * 3, "a retry has it too"
    assert lifespan.log == []


async def test_what_a_state_lacks_is_an_error_of_the_handler():
    async def record(event: dict, delivery: Delivery) -> None:
        delivery.state["client"].close()

    app = App("billing", lifespan=Lifespan())
    app.on(TYPE)(record)
    async with Bus(app, state={"customer": None}) as bus:
        assert (await bus.deliver(TYPE)).error == "KeyError: 'client'"


async def test_a_lifespan_that_fails_ends_the_bus_before_it_begins_and_closes_the_others():
    @contextlib.asynccontextmanager
    async def fails(app: App) -> AsyncIterator[None]:
        raise OSError("no database")
        yield

    first = Lifespan()
    apps = [App("first", lifespan=first), App("second", lifespan=fails)]
    for app in apps:
        app.on(TYPE)(Handler())
    bus = Bus(apps)
    with pytest.raises(FailedError, match=rf"OSError: no database \({__file__}:"):
        await bus.__aenter__()
    assert first.log == ["opened", "closed"]
    with pytest.raises(RuntimeError, match="closed"):
        await bus.deliver(TYPE, group="first")


async def test_a_lifespan_is_closed_after_the_handlers_also_where_the_test_fails():
    lifespan = Lifespan()

    async def waits(event: dict) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            lifespan.log.append("handler ended")

    app = App("billing", lifespan=lifespan)
    app.on(TYPE)(waits)
    with pytest.raises(TimeoutError):
        async with Bus(app) as bus, asyncio.timeout(0.01):
            await bus.deliver(TYPE)
    assert lifespan.log == ["opened", "handler ended", "closed"]


@pytest.mark.parametrize("is_plain", [False, True])
async def test_the_app_was_told_of_a_failure_before_the_outcome_is_there(is_plain):
    told = []

    async def tell(delivery: Delivery, error: BaseException, outcome: Outcome) -> None:
        await asyncio.sleep(0.01)
        told.append((delivery.attempt, str(error), outcome.is_dead))

    def tell_in_a_thread(delivery: Delivery, error: BaseException, outcome: Outcome) -> None:
        told.append((delivery.attempt, str(error), outcome.is_dead))

    app = App("billing", on_failure=tell_in_a_thread if is_plain else tell)
    app.on(TYPE, retry=Retry(attempts=2))(Handler(ValueError("no"), ValueError("again"), None))
    async with Bus(app) as bus:
        await bus.deliver(TYPE)
        assert told == [(1, "no", False)]
        await bus.finish()
        assert told[1:] == [(2, "again", True)]
        assert (await bus.deliver(TYPE)).is_handled
    assert len(told) == 2


async def test_what_is_around_the_handlers_runs_and_what_it_raises_counts():
    async def refuses(call: Call, event: dict, delivery: Delivery) -> None:
        if delivery.source == "partner":
            raise Reject("not this tenant")
        await call()

    handler = Handler()
    app = App("billing", around=[refuses])
    app.on(TYPE)(handler)
    async with Bus(app) as bus:
        assert (await bus.deliver(TYPE)).is_handled
        assert (await bus.deliver(TYPE, source="partner")).reason == "rejected"
    assert len(handler.deliveries) == 1
