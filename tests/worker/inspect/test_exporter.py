import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator

import aiohttp
import pytest
from structlog.testing import capture_logs

from hookbus.shared import keys
from hookbus.shared.command import Stopping
from hookbus.shared.connection import connect
from hookbus.shared.listen import Listen
from hookbus.shared.settings import ConfigError
from hookbus.shared.valkey import Valkey
from hookbus.worker.inspect import exporter
from hookbus.worker.inspect.exporter import BusCollector
from hookbus.worker.settings import WorkerSettings
from tests.programs import Program
from tests.wait import until
from tests.worker.builders import GROUP, TYPE, commandstats, join, store
from tests.worker.commands import worker
from tests.worker.dead_letters import create_groups


@contextlib.asynccontextmanager
async def exporting(redis_url: str) -> AsyncIterator[str]:
    """The address of a running exporter."""
    settings = WorkerSettings(redis_url=redis_url, exporter_listen=Listen("127.0.0.1", 0))
    stopping = Stopping()
    with capture_logs() as logs:
        task = asyncio.create_task(exporter.Exporter(settings, stopping).run())
        try:
            await until(lambda: task.done() or [log for log in logs if log["event"] == "exporting"])
            (line,) = [log for log in logs if log["event"] == "exporting"]
            yield line["url"]
        finally:
            stopping.set()
            await task
    assert not [log for log in logs if log["log_level"] == "error"]


async def scrape(url: str) -> dict[str, float]:
    """The metrics of hookbus, by name with labels."""
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 200
        lines = (await response.text()).splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line.startswith("hookbus_")}


async def test_a_scrape_has_the_metrics_of_the_bus_without_a_worker_and_none_of_a_process(
    client, redis_url, monkeypatch
):
    monkeypatch.setattr(exporter, "FRESH_S", 0)
    await create_groups(client, GROUP)
    await join(client)
    labels = f'{{group="{GROUP}",type="{TYPE}"}}'
    async with exporting(redis_url) as url:
        await store(client, "wh_1", "wh_2")
        found = await scrape(url)
        assert (found["hookbus_redis_up"], found[f"hookbus_backlog_events{labels}"]) == (1, 2)
        assert not [name for name in found if name.startswith(("hookbus_worker", "hookbus_ingest"))]
        await store(client, "wh_3")
        assert (await scrape(url))[f"hookbus_backlog_events{labels}"] == 3


async def test_redis_is_queried_once_a_second_however_many_scrapes(client, redis_url):
    await create_groups(client)
    collector = BusCollector(client, 1)
    await collector.fetch()
    await client.execute_command("CONFIG", "RESETSTAT")
    await asyncio.gather(*(collector.fetch() for _ in range(20)))
    assert "smembers" not in await commandstats(client)
    collector._fetched_at -= exporter.FRESH_S
    await asyncio.gather(*(collector.fetch() for _ in range(20)))
    assert (await commandstats(client))["time"] == 3


async def test_while_redis_is_unreachable_no_old_figures_are_exported_and_it_recovers(own_server: Valkey, monkeypatch):
    monkeypatch.setattr(exporter, "FRESH_S", 0)
    client = connect(own_server.url, "tests")
    await create_groups(client, GROUP)
    await client.aclose()
    async with exporting(own_server.url) as url:
        assert f'hookbus_dead_letters{{group="{GROUP}"}}' in await scrape(url)
        own_server.stop(signal.SIGKILL)
        found = await scrape(url)
        assert set(found) == {"hookbus_redis_up", "hookbus_exporter_query_seconds"}
        assert found["hookbus_redis_up"] == 0
        own_server.start()
        await until(lambda: _is_up(url))


async def _is_up(url: str) -> bool:
    return (await scrape(url))["hookbus_redis_up"] == 1


async def test_a_query_that_takes_too_long_is_abandoned(own_server: Valkey, monkeypatch):
    client = connect(own_server.url, "tests")
    collector = BusCollector(client, 1)
    await collector.fetch()
    assert collector.is_up
    monkeypatch.setattr(exporter, "POLL_S", 0.1)
    os.kill(own_server.pid, signal.SIGSTOP)
    try:
        collector._fetched_at -= exporter.FRESH_S
        async with asyncio.timeout(exporter.POLL_S + 2):
            await collector.fetch()
        assert not collector.is_up
    finally:
        os.kill(own_server.pid, signal.SIGCONT)
        await client.aclose()


async def test_a_redis_of_another_layout_ends_the_start_but_not_a_running_exporter(client, redis_url):
    await create_groups(client)
    collector = BusCollector(client, 1)
    await collector.fetch()
    await client.execute_command("HSET", keys.META, "layout", 99)
    with pytest.raises(ConfigError, match="data layout 99"):
        await BusCollector(client, 1).fetch()
    collector._fetched_at -= exporter.FRESH_S
    await collector.fetch()
    assert not collector.is_up


async def test_the_command_serves_health_and_metrics_and_ends_with_0(redis_url):
    with Program("hookbus-worker", "exporter", "--listen", "127.0.0.1:0", redis_url=redis_url) as program:
        line = await program.until_logged("exporting")
        assert (await scrape(line["url"]))["hookbus_redis_up"] == 1
        base = line["url"].removesuffix("/metrics")
        async with aiohttp.ClientSession() as session:
            for path in ("/healthz", "/readyz"):
                async with session.get(base + path) as response:
                    assert response.status == 200
        assert await program.end() == 0


@pytest.mark.parametrize("address", ["here", "127.0..1:80"])
@pytest.mark.parametrize("command", ["exporter", "console"])
def test_an_address_that_is_none_is_told_under_the_option_or_the_variable_that_gave_it(redis_url, command, address):
    variable = f"HOOKBUS_WORKER_{command.upper()}_LISTEN"
    by_option = worker(redis_url, command, "--listen", address, **{variable: "127.0.0.1:0"})
    by_variable = worker(redis_url, command, **{variable: address})
    assert (by_option.returncode, by_variable.returncode) == (78, 78)
    assert b"--listen: " in by_option.stderr
    assert f"{variable}: ".encode() in by_variable.stderr
