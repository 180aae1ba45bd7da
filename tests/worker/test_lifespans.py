"""The lifespans of one process, without Redis."""

import asyncio
import contextlib

import pytest
from structlog.testing import capture_logs

from hookbus import App
from hookbus.shared.command import FailedError
from hookbus.shared.settings import ConfigError
from hookbus.worker import lifespans
from hookbus.worker.crew import CrashError
from hookbus.worker.lifespans import Lifespans
from hookbus.worker.pipeline.routes import build


class Traced:
    """Makes lifespans that write down when they open and close."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def app(self, group: str, value: object = None) -> App:
        @contextlib.asynccontextmanager
        async def lifespan(app):
            self.events.append(f"open {group}")
            yield value
            self.events.append(f"close {group}")

        return app_of(group, lifespan)


def app_of(group: str, lifespan) -> App:
    app = App(group, lifespan=lifespan)
    app.on(f"{group}.done")(handle)
    return app


async def handle(event: dict) -> None: ...


def of(*apps: App) -> Lifespans:
    return Lifespans(build(apps, 30.0), owns_process=False)


def never() -> asyncio.Event:
    return asyncio.Event()


async def test_each_app_is_opened_in_order_and_closed_once():
    traced = Traced()
    spans = of(traced.app("a"), traced.app("b"))
    assert not spans.are_open
    assert await spans.open(never())
    assert spans.are_open
    await spans.close(1)
    await spans.close(1)
    assert traced.events[:2] == ["open a", "open b"]
    assert sorted(traced.events[2:]) == ["close a", "close b"]
    assert not spans.has_leftovers()


async def test_two_apps_of_one_group_have_a_state_each_and_one_that_yields_nothing_an_empty_one():
    traced = Traced()
    first, second, third = traced.app("a", {"pool": 1}), traced.app("b", {"pool": 2}), traced.app("c")
    first.group = second.group = third.group = "one"
    groups = build([first, second, third], 30.0)
    spans = Lifespans(groups, owns_process=False)
    await spans.open(never())
    assert {route.pattern: dict(route.state.value) for route in groups[0].routes} == {
        "a.done": {"pool": 1},
        "b.done": {"pool": 2},
        "c.done": {},
    }
    await spans.close(1)


async def test_an_app_that_is_named_twice_is_opened_once():
    traced = Traced()
    app = traced.app("a")
    spans = of(app, app)
    await spans.open(never())
    await spans.close(1)
    assert traced.events == ["open a", "close a"]


async def test_apps_without_a_lifespan_cost_no_task():
    app = App("a")
    app.on("a.done")(handle)
    spans = of(app)
    before = asyncio.all_tasks()
    assert await spans.open(never())
    assert spans.are_open
    assert asyncio.all_tasks() == before
    await spans.close(1)


async def test_a_lifespan_that_fails_to_open_is_named_with_the_users_line_and_the_others_are_closed():
    traced = Traced()

    @contextlib.asynccontextmanager
    async def lifespan(app):
        raise OSError("no database")
        yield

    spans = of(traced.app("a"), app_of("b", lifespan), traced.app("c"))
    with pytest.raises(FailedError) as caught:
        await spans.open(never())
    await spans.close(1)
    line = lifespan.__wrapped__.__code__.co_firstlineno
    head, trace = str(caught.value).split("\n", 1)
    assert head == (
        f"the lifespan of group b ({__file__}:{line} {lifespan.__qualname__}) failed: OSError: no database"
        f" ({__file__}:{line + 2})"
    )
    assert trace.startswith(f'Traceback (most recent call last):\n  File "{__file__}"')
    assert traced.events == ["open a", "close a"]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()], ids=repr)
async def test_no_error_of_a_lifespan_ends_the_event_loop(error):
    @contextlib.asynccontextmanager
    async def lifespan(app):
        raise error
        yield

    spans = of(app_of("a", lifespan))
    with pytest.raises(FailedError, match=type(error).__name__):
        await spans.open(never())
    await spans.close(1)


async def test_a_configuration_error_of_the_users_names_its_lifespan():
    @contextlib.asynccontextmanager
    async def lifespan(app):
        raise ConfigError(["BILLING_DSN is not set"])
        yield

    with pytest.raises(ConfigError, match=rf"^the lifespan of group a \({__file__}:.*\): BILLING_DSN is not set$"):
        await of(app_of("a", lifespan)).open(never())


@pytest.mark.parametrize("found", [None, contextlib.nullcontext], ids=["nothing", "a class"])
async def test_a_function_that_returns_no_async_context_manager_is_a_configuration_error_with_what_to_write(found):
    with pytest.raises(ConfigError, match=r"returned (NoneType|ABCMeta); write @contextlib\.asynccontextmanager"):
        await of(app_of("a", lambda app: found)).open(never())


async def test_one_that_hangs_while_it_opens_is_named_after_the_limit(monkeypatch):
    monkeypatch.setattr(lifespans, "OPEN_S", 0.05)
    cleaned = []

    @contextlib.asynccontextmanager
    async def lifespan(app):
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(app.group)
        yield

    traced = Traced()
    spans = of(traced.app("a"), app_of("b", lifespan))
    with pytest.raises(FailedError, match=r"the lifespan of group b \(.+\) did not open within 0.05 s"):
        await spans.open(never())
    await spans.close(1)
    assert (cleaned, traced.events) == (["b"], ["open a", "close a"])


async def test_a_stop_ends_the_wait_for_one_that_opens():
    stopping = asyncio.Event()

    @contextlib.asynccontextmanager
    async def lifespan(app):
        stopping.set()
        await asyncio.Event().wait()
        yield

    spans = of(app_of("a", lifespan))
    assert not await spans.open(stopping)
    with capture_logs() as logs:
        await spans.close(0.2)
    assert not logs
    assert not spans.has_leftovers()


async def test_one_that_hangs_while_it_closes_is_cancelled_logged_and_does_not_keep_the_others():
    traced = Traced()

    @contextlib.asynccontextmanager
    async def lifespan(app):
        yield
        await asyncio.Event().wait()

    spans = of(app_of("b", lifespan), traced.app("a"))
    await spans.open(never())
    with capture_logs() as logs:
        await spans.close(0.05)
    assert traced.events == ["open a", "close a"]
    [line] = logs
    assert line["event"] == "lifespan_hangs"
    assert "the lifespan of group b" in line["reason"]
    assert "did not close within 0.05 s" in line["reason"]
    assert not spans.has_leftovers()


async def test_one_that_ignores_its_cancellation_is_left_over(monkeypatch):
    monkeypatch.setattr(lifespans, "CANCEL_S", 0.05)
    end = asyncio.Event()

    @contextlib.asynccontextmanager
    async def lifespan(app):
        yield
        while not end.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await end.wait()

    spans = of(app_of("a", lifespan))
    await spans.open(never())
    await spans.close(0.05)
    assert spans.has_leftovers()
    end.set()
    await asyncio.wait([spans._all[0].task])


async def test_an_error_while_it_closes_is_logged_with_its_traceback_and_does_not_skip_the_others():
    traced = Traced()

    @contextlib.asynccontextmanager
    async def broken(app):
        yield
        raise OSError("lost connection")

    @contextlib.asynccontextmanager
    async def twice(app):
        yield
        yield

    spans = of(app_of("b", broken), app_of("c", twice), traced.app("a"))
    await spans.open(never())
    with capture_logs() as logs:
        await spans.close(1)
    assert traced.events == ["open a", "close a"]
    assert {line["event"] for line in logs} == {"lifespan_failed"}
    errors = {line["reason"].split(" (")[0]: str(line["exc_info"]) for line in logs}
    assert errors == {
        "the lifespan of group b": "lost connection",
        "the lifespan of group c": "generator didn't stop",
    }


async def test_one_that_ends_by_itself_is_a_crash():
    async def fail():
        raise OSError("the feed is gone")

    @contextlib.asynccontextmanager
    async def lifespan(app):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail())
            yield

    traced = Traced()
    spans = of(traced.app("b"), app_of("a", lifespan))
    await spans.open(never())
    with pytest.raises(CrashError, match=r"the lifespan of group a .* ended by itself: ExceptionGroup: ") as caught:
        await spans.run()
    assert isinstance(caught.value.__cause__, BaseExceptionGroup)
    assert not spans.are_open
    with capture_logs() as logs:
        await spans.close(1)
    assert not logs
    assert traced.events == ["open b", "close b"]
