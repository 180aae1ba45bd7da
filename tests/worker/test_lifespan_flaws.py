"""Lifespans that begin or end other than they should."""

import asyncio
import contextlib
import os
import threading
import time

import pytest
from structlog.testing import capture_logs

from hookbus.shared.command import FailedError
from hookbus.shared.settings import ConfigError
from hookbus.worker import lifespans
from hookbus.worker.lifespans import Lifespans
from hookbus.worker.pipeline.routes import build
from tests.worker.test_lifespans import app_of, never, of


async def test_one_that_yields_nothing_on_a_branch_is_a_configuration_error_with_what_to_write():
    @contextlib.asynccontextmanager
    async def lifespan(app):
        if app.group == "another":
            yield

    spans = of(app_of("a", lifespan))
    with pytest.raises(ConfigError, match=r"^the lifespan of group a \(.*\) yielded nothing; write @contextlib"):
        await spans.open(never())
    await spans.close(1)


async def test_an_error_of_the_same_words_is_the_users_own():
    @contextlib.asynccontextmanager
    async def lifespan(app):
        raise RuntimeError("generator didn't yield")
        yield

    with pytest.raises(FailedError):
        await of(app_of("a", lifespan)).open(never())


async def test_a_variable_that_is_not_set_is_a_configuration_error_with_its_line():
    @contextlib.asynccontextmanager
    async def lifespan(app):
        yield os.environ["HOOKBUS_TESTS_NOPE"]

    line = lifespan.__wrapped__.__code__.co_firstlineno + 2
    with pytest.raises(ConfigError, match=rf"failed: KeyError: 'HOOKBUS_TESTS_NOPE' \({__file__}:{line}\)$"):
        await of(app_of("a", lifespan)).open(never())


async def test_a_function_that_returns_half_a_context_manager_is_a_configuration_error():
    class Half:
        async def __aenter__(self): ...

    with pytest.raises(ConfigError, match=r"returned .*Half; write @contextlib\.asynccontextmanager"):
        await of(app_of("a", lambda app: Half())).open(never())


async def fail():
    raise OSError("the feed is gone")


@contextlib.asynccontextmanager
async def ends_by_itself(app):
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(fail())
        yield


@contextlib.asynccontextmanager
async def fails_to_close(app):
    yield
    raise OSError("still in use")


@contextlib.asynccontextmanager
async def yields_twice(app):
    yield
    yield


@contextlib.asynccontextmanager
async def hangs(app):
    yield
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("lifespan", "how"),
    [
        (ends_by_itself, "ended by itself: ExceptionGroup: "),
        (fails_to_close, "failed to close: OSError: still in use ("),
        (yields_twice, "failed to close: RuntimeError: generator didn't stop"),
        (hangs, "did not close within 0.05 s"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_how_one_ended_is_known_after_the_close(lifespan, how):
    spans = of(app_of("a", lifespan))
    await spans.open(never())
    await asyncio.sleep(0.01)
    with capture_logs() as logs:
        await spans.close(0.05)
    failure = spans.failure()
    assert failure is not None
    assert f"{lifespan.__name__}) {how}" in str(failure)
    assert [how in line["reason"] for line in logs] == ([] if lifespan is ends_by_itself else [True])


async def test_one_that_ends_well_has_no_failure():
    @contextlib.asynccontextmanager
    async def lifespan(app):
        yield

    spans = of(app_of("a", lifespan))
    await spans.open(never())
    await spans.close(1)
    assert spans.failure() is None


@pytest.mark.parametrize("verb", ["open", "close"])
async def test_one_that_blocks_the_event_loop_is_named(monkeypatch, verb):
    ended = threading.Event()
    monkeypatch.setattr(lifespans, "end_now", lambda code: ended.set())
    monkeypatch.setattr(lifespans, "BLOCKED_S", 0.0)
    monkeypatch.setattr(lifespans, "OPEN_S", 0.05)
    monkeypatch.setattr(lifespans, "CANCEL_S", 0.0)

    def block(when):
        if when == verb:
            ended.wait(10)
            time.sleep(0.01)

    @contextlib.asynccontextmanager
    async def lifespan(app):
        block("open")
        yield
        block("close")

    spans = Lifespans(build([app_of("a", lifespan)], 30.0), owns_process=True)
    with capture_logs() as logs:
        with contextlib.suppress(FailedError):
            await spans.open(never())
        await spans.close(0.05)
    (reason,) = [line["reason"] for line in logs if line["event"] == "lifespan_hangs" and "blocks" in line["reason"]]
    assert reason.startswith(f"the lifespan of group a ({__file__}:")
    assert reason.endswith(f"lifespan) blocks the event loop: it did not {verb}")
