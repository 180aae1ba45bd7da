"""What a worker adds to the figures of its groups."""

import asyncio

from structlog.testing import capture_logs

from hookbus import App, Reject, Retry
from hookbus.shared import output
from hookbus.shared.clock import now_ms
from hookbus.shared.connection import connect
from hookbus.shared.keys import HOME
from hookbus.worker.duties import room
from hookbus.worker.duties import statistics as duty
from hookbus.worker.duties.room import Room
from hookbus.worker.duties.statistics import PLACES, Statistics, counted
from hookbus.worker.inventory import statistics
from hookbus.worker.inventory.statistics import BOUNDS_S, HOUR_MS, HOURS_KEPT, MINUTE_MS, Figures
from hookbus.worker.pipeline import metrics
from tests.wait import until
from tests.worker.builders import GROUP, TYPE, Handler, store
from tests.worker.commands import objects, succeeded
from tests.worker.running import running


async def figures(client, group: str = GROUP) -> Figures:
    return statistics.total(await statistics.minutes(client, now_ms(), 10)).get(group, statistics.NOTHING)


def handled(group: str, seconds: float) -> None:
    metrics.DELIVERIES.labels(group, TYPE, "handled").value += 1
    metrics.HANDLER_SECONDS.labels(group, TYPE).observe(seconds)


def a_duty(client, *groups: str, found: Room | None = None) -> Statistics:
    return Statistics(client, groups, found or Room(), asyncio.Event())


async def test_a_worker_adds_what_its_handlers_did_also_during_its_drain(client, redis_url, monkeypatch):
    monkeypatch.setattr(duty, "INTERVAL_S", 0.05)
    app = App(GROUP)

    @app.on(TYPE, retry=Retry(attempts=2, base=3600, cap=3600))
    async def fail(event: dict) -> None:
        raise ValueError

    @app.on("batch.failed")
    async def reject(event: dict) -> None:
        raise Reject("no")

    slow = Handler()

    @app.on("batch.completed")
    async def handle(event: dict) -> None:
        await slow(event, type("Named", (), {"webhook_id": "wh"}))

    async with running(redis_url, app) as worker:
        await store(client, "wh_1", "wh_2")
        await store(client, "wh_3", event_type="batch.failed")
        await store(client, "wh_4", event_type="batch.completed")

        async def is_counted() -> bool:
            return (await figures(client)).parked == 2 and (await figures(client)).dead == 1

        await until(is_counted)
        await until(lambda: slow.began)
        worker.stopping.set()
        await asyncio.sleep(0.1)
        slow.go()
        await worker.task
    found = await figures(client)
    assert (found.handled, found.parked, found.dead, sum(found.latencies)) == (1, 2, 1, 4)
    assert found.busy_ms >= 90


async def test_only_what_its_own_groups_did_since_its_start_is_added_and_once(client):
    handled("mine", 0.02)
    found = a_duty(client, "mine")
    handled("mine", 0.02)
    handled("mine", 100)
    handled("other", 1)
    for _ in range(2):
        await found.add()
    assert await figures(client, "other") == statistics.NOTHING
    assert await figures(client, "mine") == Figures(2, 0, 0, 100_020, (0, 1, 0, 0, 0, 0, 0, 1))


async def test_nothing_is_asked_of_redis_while_nothing_is_done(client):
    found = a_duty(client, "idle")
    before = (await client.execute_command("INFO", "commandstats")).count(b"evalsha")
    await found.add()
    assert (await client.execute_command("INFO", "commandstats")).count(b"evalsha") == before == 0


async def test_nothing_is_written_to_a_redis_that_is_nearly_full_and_not_made_up_for(client):
    full = Room()
    found = a_duty(client, "full", found=full)
    full.is_left = False
    handled("full", 0.001)
    await found.add()
    full.is_left = True
    await found.add()
    assert await figures(client, "full") == statistics.NOTHING
    assert room.NEARLY_FULL == 0.9


async def test_a_refusal_is_logged_once_in_a_row_and_a_lost_connection_not_at_all(client, own_server):
    for key in (HOME.minute(now_ms() // MINUTE_MS + n) for n in range(2)):
        await client.execute_command("SET", key, "x")
    found = a_duty(client, "refused")
    with capture_logs() as logs:
        for _ in range(3):
            handled("refused", 0.001)
            await found.add()
    assert [each["event"] for each in logs] == ["statistics_refused"]
    gone = connect(own_server.url, "tests")
    await asyncio.to_thread(own_server.stop)
    lost = a_duty(gone, "lost")
    handled("lost", 0.001)
    with capture_logs() as logs:
        await lost.add()
    assert logs == []
    await gone.aclose()


def test_the_buckets_are_made_of_those_of_the_metric():
    assert set(BOUNDS_S) <= set(metrics.HANDLER_BUCKETS_S)
    assert PLACES == (0, 0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 7, 7)
    before = counted(["one"])["one"]
    for seconds in (0.005, 0.0051, 0.3, 61):
        handled("one", seconds)
    assert counted(["one"])["one"].plus(before, -1).latencies == (1, 1, 0, 1, 0, 0, 0, 1)


async def test_the_command_shows_each_group_by_minute_or_by_hour(client, redis_url):
    assert succeeded(redis_url, "statistics").startswith("no attempt has ended since then")
    found = a_duty(client, GROUP)
    for _ in range(99):
        handled(GROUP, 0.02)
    handled(GROUP, 61)
    await found.add()
    title, line = succeeded(redis_url, "statistics").splitlines()
    assert title.split() == ["GROUP", "HANDLED", "PARKED", "DEAD", "P50", "P99"]
    assert line.split() == [GROUP, "100", "0", "0", "≤", "25", "ms", "≤", "25", "ms"]
    for since, step_ms in (("5h", MINUTE_MS), ("7h", HOUR_MS)):
        [json] = objects(redis_url, "statistics", "--since", since, "--json")
        assert json["step_ms"] == step_ms
        assert json["groups"][GROUP]["handled"] == 100
        assert [each["at_ms"] % step_ms for each in json["series"]] == [0]


async def test_a_run_of_verify_has_no_figures(client, redis_url):
    app, done = App("hookbus.verify"), []

    @app.on(TYPE)
    async def handle(event: dict) -> None:
        done.append(event)

    async with running(redis_url, app):
        await store(client, "wh_1")
        await until(lambda: done)
    assert await client.execute_command("KEYS", "*stats:[mh]:*") == []


async def test_a_redis_that_hangs_holds_up_a_stop_for_a_second_at_most(client, monkeypatch):
    monkeypatch.setattr(duty, "WRITE_S", 0.1)

    async def hangs(*_args: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(duty.scripts, "run", hangs)
    found = a_duty(client, "hanging")
    handled("hanging", 0.001)
    async with asyncio.timeout(10):
        await found.add()


async def test_a_narrow_terminal_keeps_groups_readable_and_leaves_the_median_out(client, redis_url):
    group = "a-group-of-a-long-name"
    found = a_duty(client, group)
    handled(group, 0.02)
    await found.add()
    title, *lines = succeeded(redis_url, "statistics", COLUMNS="45").splitlines()
    assert title.split() == ["GROUP", "HANDLED", "PARKED", "DEAD", "P99"]
    assert len(lines) == 2


async def test_on_the_narrowest_no_figure_loses_its_unit_or_its_title(client, redis_url):
    found = a_duty(client, GROUP)
    handled(GROUP, 0.02)
    await found.add()
    for width, titles in ((40, ["HANDLED", "DEAD", "P99"]), (30, ["HANDLED", "DEAD"])):
        title, line = succeeded(redis_url, "statistics", COLUMNS=str(width)).splitlines()
        assert title.split() == ["GROUP", *titles]
        assert ("≤ 25 ms" in line) == ("P99" in titles)


async def test_what_is_not_kept_or_refused_by_redis_is_said(client, redis_url):
    found = a_duty(client, GROUP)
    handled(GROUP, 0.02)
    await found.add()
    assert len(succeeded(redis_url, "statistics", "--since", "13d").splitlines()) == 2
    *_, said = succeeded(redis_url, "statistics", "--since", "30d").splitlines()
    first_ms = (now_ms() // HOUR_MS - HOURS_KEPT + 1) * HOUR_MS
    assert said == f"since {output.moment(first_ms)}: figures are kept for two weeks"
    refused = HOME.minute(now_ms() // MINUTE_MS - 3)
    await client.execute_command("SET", refused, "no hash")
    assert f"unusable key {refused}, whose figures are missing here: " in succeeded(redis_url, "statistics")
    [json] = objects(redis_url, "statistics", "--json")
    assert list(json["unusable"]) == [refused]
