"""A worker inside another program: of its signals, logging and port it takes none, and it ends as the program says."""

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import AsyncIterator

import aiohttp
import pytest
import structlog

from hookbus import App, ConfigError, CrashError, run_worker
from hookbus.shared import log
from hookbus.shared.keys import Keys
from hookbus.worker.pipeline.settle import OutcomeWriter
from tests.programs import free_port
from tests.wait import until
from tests.worker.builders import GROUP, STREAM, TYPE, Handler, store
from tests.worker.running import app_of

KEYS = Keys(0)


def settings(url: str, **of_worker) -> dict:
    return {"redis_url": url, "worker": {"handler_timeout_s": 5.0, "grace_period_s": 6.0} | of_worker}


@pytest.fixture(autouse=True)
def log_of_its_own(monkeypatch):
    """A program that has configured no log, whatever other tests left in this process."""
    structlog.reset_defaults()
    monkeypatch.setattr(log, "_sink", None)
    monkeypatch.setattr(log, "_host_limiter", None)


async def pending(client) -> list[tuple[str, int]]:
    """Consumer and times delivered of each pending delivery."""
    entries = await client.execute_command("XPENDING", STREAM, GROUP, "-", "+", 10)
    return [(consumer.decode(), times) for _, consumer, _, times in entries]


@pytest.mark.both_loops
async def refused(apps, **arguments) -> None:
    """Run a worker that should not start; one that starts all the same is stopped."""
    async with asyncio.timeout(5):
        await run_worker(apps, **arguments)


def already_set() -> threading.Event:
    """Of the wrong kind, and one that blocks no test."""
    event = threading.Event()
    event.set()
    return event


async def test_it_handles_events_until_the_event_is_set(client, redis_url):
    handler, stopping = Handler(is_open=True), asyncio.Event()
    running = asyncio.create_task(run_worker([app_of(handler)], settings=settings(redis_url), stopping=stopping))
    await store(client, "wh_1")
    await until(lambda: handler.done == ["wh_1"])
    stopping.set()
    await running
    assert await pending(client) == []
    assert await client.execute_command("HKEYS", KEYS.consumers(GROUP)) == []


async def test_a_cancellation_lets_what_runs_finish(client, redis_url):
    handler = Handler()
    running = asyncio.create_task(run_worker([app_of(handler)], settings=settings(redis_url)))
    await store(client, "wh_1")
    await until(lambda: handler.began == ["wh_1"])
    running.cancel()
    await asyncio.sleep(0.1)  # a worker that did not wait would be over
    assert not running.done()
    handler.go()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert handler.done == ["wh_1"]
    assert await pending(client) == []


async def test_a_lifespan_closes_after_the_drain(client, redis_url):
    handler, log_of = Handler(), []

    @contextlib.asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[dict[str, int]]:
        yield {}
        log_of.append(list(handler.done))

    app = App(GROUP, lifespan=lifespan)
    app.on(TYPE)(handler)
    running = asyncio.create_task(run_worker([app], settings=settings(redis_url)))
    await store(client, "wh_1")
    await until(lambda: handler.began == ["wh_1"])
    running.cancel()
    await asyncio.sleep(0)
    handler.go()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert log_of == [["wh_1"]]


async def test_a_second_cancellation_ends_it_at_once(client, redis_url):
    handler = Handler()
    running = asyncio.create_task(run_worker([app_of(handler)], settings=settings(redis_url)))
    await store(client, "wh_1")
    await until(lambda: handler.began == ["wh_1"])
    running.cancel()
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [times for _, times in await pending(client)] == [1], "as after a kill, others take it over"


async def test_it_can_run_again_and_not_twice_at_once(client, redis_url):
    handler = Handler(is_open=True)
    for name in ("wh_1", "wh_2"):
        running = asyncio.create_task(run_worker([app_of(handler)], settings=settings(redis_url)))
        await store(client, name)
        await until(lambda name=name: name in handler.done)
        with pytest.raises(ConfigError, match="one is running in this process already"):
            await refused([app_of(handler)], settings=settings(redis_url))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


async def test_a_crash_is_an_error_for_the_program(client, redis_url, monkeypatch):
    async def break_down(_: OutcomeWriter) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(OutcomeWriter, "run", break_down)
    with pytest.raises(CrashError, match="OutcomeWriter failed: KeyError"):
        await run_worker([app_of(Handler())], settings=settings(redis_url))


async def test_signals_and_logging_stay_those_of_the_program(client, redis_url, caplog):
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level
    caplog.set_level(logging.INFO, "hookbus")
    stopping = asyncio.Event()
    running = asyncio.create_task(run_worker([app_of(Handler())], settings=settings(redis_url), stopping=stopping))
    await until(lambda: any(record.message.startswith("working consumer=") for record in caplog.records))
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)] == before
    assert (list(logging.getLogger().handlers), logging.getLogger().level) == (handlers, level)
    stopping.set()
    await running


async def test_health_and_metrics_are_served_if_their_address_is_set(client, redis_url):
    stopping, port = asyncio.Event(), free_port()
    configured = settings(redis_url, ops_listen=f"127.0.0.1:{port}")
    running = asyncio.create_task(run_worker([app_of(Handler())], settings=configured, stopping=stopping))
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:

        async def is_ready() -> bool:
            try:
                async with session.get("/readyz") as answer:
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

        await until(is_ready)
        async with session.get("/metrics") as answer:
            assert f'hookbus_worker_running_deliveries{{group="{GROUP}"' in await answer.text()
    stopping.set()
    await running


@pytest.mark.parametrize(
    ("apps", "table", "message"),
    [
        ([], {}, "run_worker([]): a list of Apps is needed"),
        (App("alone"), {}, "a list of Apps is needed"),
        (["module:app"], {}, "run_worker(['module:app']): a list of Apps is needed"),
        ([App("empty")], {}, ": no subscriptions; decorate a handler"),
        (
            None,
            {"redis": "x", "worker": {"grace": 1}},
            "redis: unknown key in settings; did you mean redis_url?; worker.grace: unknown key",
        ),
        (None, {"worker": 5}, "settings: [worker] must be a table"),
        (None, {"worker": {"grace_period_s": "soon"}}, "worker.grace_period_s: Expected `float`"),
        (None, {"worker": {"grace_period_s": 1.0}}, "worker.grace_period_s: 1 is not above worker.handler_timeout_s"),
    ],
)
async def test_what_is_wrong_is_told_before_it_starts(apps, table, message):
    given = [app_of(Handler())] if apps is None else apps
    with pytest.raises(ConfigError) as caught:
        await refused(given, settings=table)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"settings": "hookbus.toml"}, "run_worker(settings='hookbus.toml'): a dictionary, as of tomllib.load"),
        ({"stopping": already_set()}, "): an asyncio.Event is needed"),
        ({"stopping": 3}, "run_worker(stopping=3): an asyncio.Event is needed"),
        ({"only": None}, "run_worker(only=None): a pattern is needed"),
        ({"only": "batch.*"}, "run_worker(only=) 'batch.*': group billing subscribes to no type that matches"),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_an_argument_that_would_block_the_program_or_have_no_effect_is_refused(arguments, message):
    with pytest.raises(ConfigError) as caught:
        await refused([app_of(Handler())], **arguments)
    assert message in str(caught.value)


async def test_a_port_that_is_taken_is_an_error_and_leaves_nothing(redis_url):
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        configured = settings(redis_url, ops_listen=f"127.0.0.1:{port}")
        with pytest.raises(Exception, match="ops_listen: can't listen on"):
            await run_worker([app_of(Handler())], settings=configured)
    assert asyncio.all_tasks() == {asyncio.current_task()}
