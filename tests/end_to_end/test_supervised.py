"""The real programs under a supervisor: their notifications to systemd, and SIGHUP."""

import asyncio
import contextlib
import os
import pty
import signal
import time
from collections.abc import Iterator

import aiohttp
import pytest

from tests.programs import SECRET, Ingest, Program, Worker, event_body, free_port, post
from tests.systemd_manager import Manager
from tests.wait import until

OTHER = "whsec_" + "YW5vdGhlci1zZWNyZXQtb2YtdGhlLXRlc3Rz"


@pytest.fixture
def manager(tmp_path) -> Iterator[Manager]:
    fake = Manager(str(tmp_path / "notify"))
    fake.environ["WATCHDOG_USEC"] = "600000"
    yield fake
    fake.close()


async def test_ingest_is_ready_when_it_listens_and_redis_is_healthy(own_server, manager):
    with own_server.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        with Ingest(own_server.url, **manager.environ, HOOKBUS_INGEST_DRAIN_DELAY_S="0") as ingest:
            await ingest.until_logged("listening")
            await until(lambda: manager.received("STATUS=not ready: maxmemory-policy is allkeys-lru"))
            assert manager.received("EXTEND_TIMEOUT_USEC=")
            assert not manager.received("READY=1")
            client.config_set("maxmemory-policy", "noeviction")
            await until(lambda: manager.received("READY=1", "STATUS=ready", "WATCHDOG=1"))
            client.config_set("maxmemory-policy", "allkeys-lru")
            await until(lambda: manager.received("STATUS=answering 503 not_durable"))
            assert await ingest.end() == 0
    assert manager.received("READY=1", "WATCHDOG=1", "STOPPING=1")


async def test_an_exporter_is_ready_when_it_listens_and_reports_whether_redis_is_reachable(own_server, manager):
    arguments = ("hookbus-worker", "exporter", "--listen", "127.0.0.1:0")
    with Program(*arguments, redis_url=own_server.url, **manager.environ) as exporter:
        await until(lambda: manager.received("READY=1", "STATUS=exporting", "WATCHDOG=1"))
        await asyncio.to_thread(own_server.stop)
        line = await exporter.until_logged("exporting")

        async def exports_nothing() -> bool:
            async with aiohttp.ClientSession() as session, session.get(line["url"]) as response:
                assert response.status == 200
            return manager.received("STATUS=exporting nothing: Redis is unreachable", "WATCHDOG=1")

        await until(exports_nothing)
        assert await exporter.end() == 0
    assert manager.received("READY=1", "STOPPING=1")


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(signal.SIGSTOP, id="that hangs", marks=pytest.mark.slow),  # readiness falls after 15 s
        pytest.param(signal.SIGKILL, id="that is gone"),
    ],
)
async def test_a_worker_is_ready_when_it_reads_and_outlives_an_unreachable_redis(own_server, manager, way):
    with Worker(own_server.url, "plain", **manager.environ) as worker:
        await until(lambda: manager.received("READY=1", "STATUS=working; 0 running for plain", "WATCHDOG=1"))
        os.kill(own_server.pid, way)
        manager.receive()
        manager.lines.clear()
        began = time.monotonic()
        while time.monotonic() - began < 10:  # longer than a read may take
            await until(lambda: manager.received("WATCHDOG=1"), 5)
            manager.lines.clear()
        assert worker.process.poll() is None
        assert not worker.logged("stalled")
        assert await worker.end() == 0
    assert manager.received("STOPPING=1")


async def test_a_process_that_hangs_sends_no_watchdog_signal(own_server, manager):
    with Worker(own_server.url, "plain", **manager.environ) as worker:
        await until(lambda: manager.received("READY=1", "WATCHDOG=1"))
        worker.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(0.1)  # for lines that were already sent
        manager.receive()
        manager.lines.clear()
        await asyncio.sleep(0.7)  # more than WATCHDOG_USEC
        assert not manager.received("WATCHDOG=1")


async def test_sighup_reloads_secrets(redis_url, manager, tmp_path):
    file, config, port = tmp_path / "secret", tmp_path / "hookbus.toml", free_port()
    file.write_text(SECRET)
    config.write_text(f'[ingest.sources.openai]\npath = "/webhooks/openai"\nsecrets = ["file:{file}"]\n')
    environ = {"OPENAI_WEBHOOK_SECRET": "", "HOOKBUS_INGEST_DRAIN_DELAY_S": "0"}
    with Ingest(redis_url, "--config", str(config), port=port, **manager.environ, **environ) as ingest:
        await ingest.until_healthy()
        await until(lambda: manager.received("READY=1"))
        assert (await post(ingest.url, "wh_1", event_body()))[0] == 200
        file.write_text(f"{OTHER}\n{SECRET}\n")
        manager.lines.clear()
        ingest.process.send_signal(signal.SIGHUP)
        await ingest.until_logged("reloaded")
        await until(lambda: manager.received("RELOADING=1", "MONOTONIC_USEC=", "READY=1"))
        assert (await post(ingest.url, "wh_2", event_body(), secret=OTHER))[0] == 200
        config.write_text("no TOML")
        ingest.process.send_signal(signal.SIGHUP)
        await ingest.until_logged("reload_refused")
        assert (await post(ingest.url, "wh_3", event_body(), secret=OTHER))[0] == 200
        assert await ingest.end() == 0
    assert OTHER not in "".join(ingest.raw)


async def test_sighup_does_not_stop_a_worker(redis_url):
    with Worker(redis_url, "plain") as worker:
        await worker.until_working()
        worker.process.send_signal(signal.SIGHUP)
        await worker.until_logged("nothing_to_reload")
        assert await worker.end() == 0


async def test_closing_the_terminal_stops_the_worker(redis_url):
    terminal, inner_end = pty.openpty()
    os.set_blocking(terminal, False)
    name = os.ttyname(inner_end)
    # A new session without a controlling terminal adopts the first one that it opens.
    shell = ("setsid", "bash", "-c", f'exec "$@" <{name} >{name} 2>&1', "-")
    output = b""

    def is_printed(text: bytes) -> bool:
        nonlocal output
        with contextlib.suppress(BlockingIOError):
            output += os.read(terminal, 4096)
        return text in output

    with Worker(redis_url, "plain", around=shell, TERM="dumb") as worker:
        await until(lambda: is_printed(b"working") or worker.process.poll() is not None)
        os.close(inner_end)
        os.close(terminal)
        assert await asyncio.to_thread(worker.process.wait, 20) == 0, output
