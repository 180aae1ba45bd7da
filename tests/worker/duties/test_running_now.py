"""What runs in a process, published by its liveness thread."""

import asyncio
import time

import pytest
from redis.exceptions import ConnectionError as LostError
from redis.exceptions import NoPermissionError, ResponseError
from redis.exceptions import TimeoutError as LateError
from structlog.testing import capture_logs

from hookbus import App, Delivery
from hookbus.shared.connection import connect_blocking
from hookbus.shared.keys import HOME
from hookbus.worker.duties import heartbeat, running_now
from hookbus.worker.duties.running_now import RunningNow
from hookbus.worker.inspect import processes
from hookbus.worker.inventory import running as record
from hookbus.worker.inventory.running import Running
from tests.wait import until
from tests.worker.builders import GROUP, TYPE, Handler, store
from tests.worker.running import app_of, running

KEY = HOME.running("me")


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(heartbeat, "INTERVAL_S", 0.05)
    monkeypatch.setattr(running_now, "SHOWN_S", 0.1)


@pytest.fixture
def blocking(redis_url):
    client = connect_blocking(redis_url, "tests", reply_timeout_s=5)
    yield client
    client.close()


async def published(client, consumer: str) -> Running | None:
    return record.decode(await client.execute_command("GET", HOME.running(consumer)))


@pytest.mark.usefixtures("quick")
async def test_what_runs_is_published_with_slots_and_the_longest_first(client, redis_url):
    handler = Handler()
    async with running(redis_url, app_of(handler, concurrency=3)) as worker:

        async def names() -> list[str]:
            now = await published(client, worker.consumer)
            return [] if now is None else [each.webhook_id for each in now.longest]

        await store(client, "wh_1")
        await until(lambda: handler.began)
        await store(client, "wh_2")

        async def both() -> bool:
            return await names() == ["wh_1", "wh_2"]

        await until(both)
        now = await published(client, worker.consumer)
        assert now is not None
        [slots] = now.slots
        assert (slots.group, slots.pattern, slots.running, slots.places, slots.overdue) == (GROUP, TYPE, 2, 3, 0)
        first = now.longest[0]
        assert (first.group, first.pattern, first.type, first.attempt) == (GROUP, TYPE, TYPE, 1)
        assert now.at_ms - 60_000 < first.since_ms <= now.at_ms - 100
        [shown] = (await processes.fetch(client, 1)).workers
        assert shown.running is not None
        assert len(shown.running.longest) == 2
        handler.go()

        async def is_over() -> bool:
            now = await published(client, worker.consumer)
            return now is not None and now.slots == now.longest == ()

        await until(is_over)
        assert 0 < await client.execute_command("PTTL", HOME.running(worker.consumer)) <= 10_000


@pytest.mark.usefixtures("quick")
async def test_a_handler_that_blocks_the_loop_is_seen_running(client, redis_url, blocking):
    app, seen = App(GROUP), []

    @app.on(TYPE)
    async def block(event: dict, delivery: Delivery) -> None:
        deadline = time.monotonic() + 10
        while not seen and time.monotonic() < deadline:  # blocks the loop on purpose
            now = record.decode(blocking.get(HOME.running(worker.consumer)))
            seen.extend(now.longest if now else ())

    async with running(redis_url, app) as worker:
        await store(client, "wh_1")
        await until(lambda: seen)
        assert seen[0].webhook_id == "wh_1"


class Failing:
    """A client of which one command fails."""

    def __init__(self, client, error: Exception) -> None:
        self._client = client
        self._error = error

    def info(self, section: str) -> dict:
        return self._client.info(section)

    def set(self, *_args, **_options) -> None:
        raise self._error


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (NoPermissionError("no"), 1),
        (RuntimeError("a bug of ours"), 1),
        (ResponseError("OOM command not allowed"), 0),
        (LostError("gone"), 0),
        (LateError("late"), 0),
    ],
)
def test_whatever_fails_the_liveness_thread_goes_on_and_logs_a_refusal_once(blocking, error, lines):
    now = RunningNow("me", [])
    with capture_logs() as logs:
        for _ in range(3):
            now.publish(Failing(blocking, error))
    assert [each["event"] for each in logs] == ["not_registered"] * lines
    now.publish(blocking)
    assert blocking.exists(KEY)


@pytest.mark.usefixtures("quick")
async def test_a_worker_without_the_right_to_publish_works(client, redis_url):
    url = redis_url.replace("unix://", "unix://narrow:narrow@")
    rights = (
        "on",
        ">narrow",
        "+@all",
        "&*",
        "~hookbus:meta",
        *(f"~hookbus:{{*}}:{name}*" for name in "abcdefghijklmnopq"),
    )
    rights += tuple(f"~hookbus:{{*}}:{name}*" for name in ("re", "s", "t", "w"))  # all but `running:`
    await client.execute_command("ACL", "SETUSER", "narrow", *rights)
    try:
        handler = Handler(is_open=True)
        with capture_logs() as logs:
            async with running(url, app_of(handler)):
                await store(client, "wh_1")
                await until(lambda: handler.done == ["wh_1"])
                await until(lambda: [each for each in logs if each["event"] == "not_registered"])
        assert "liveness_not_renewed" not in {each["event"] for each in logs}
    finally:
        await client.execute_command("ACL", "DELUSER", "narrow")


def test_nothing_is_published_to_a_redis_that_is_nearly_full(blocking):
    blocking.config_set("maxmemory", round(blocking.info("memory")["used_memory"] / 0.95))
    RunningNow("me", []).publish(blocking)
    assert not blocking.exists(KEY)


async def test_what_changes_under_the_look_is_left_out_once():
    class Changing:
        """A subscriber whose attempts change while the thread reads them."""

        slots = type("Slots", (), {"running": 1})()
        route = type("Route", (), {"group": GROUP, "pattern": TYPE, "concurrency": 2})()

        def overdue(self) -> int:
            return 0

        def oldest(self, count: int) -> list:
            raise RuntimeError("dictionary changed size during iteration")

    now = await asyncio.to_thread(RunningNow("me", [Changing()]).look)
    assert (len(now.slots), now.longest) == (1, ())
