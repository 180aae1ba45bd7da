"""The real programs under a supervisor: what they tell systemd, and what they do on SIGHUP."""

import asyncio
import contextlib
import os
import pty
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.programs import SECRET, Ingest, Program, Worker, event_body, free_port, post
from tests.wait import until

OTHER = "whsec_" + "YW5vdGhlci1zZWNyZXQtb2YtdGhlLXRlc3Rz"


class Manager:
    """Hears what a program tells systemd."""

    def __init__(self, folder: Path) -> None:
        self._in = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._in.bind(str(folder / "notify"))
        self._in.setblocking(False)
        self.environ = {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "600000"}
        self.said: list[str] = []

    def heard(self, *starts: str) -> bool:
        """Whether lines that begin so were said, in that order."""
        self.listen()
        said = iter(self.said)
        return all(any(line.startswith(start) for line in said) for start in starts)

    def listen(self) -> list[str]:
        """All that was said."""
        while True:
            try:
                self.said += self._in.recv(4096).decode().split("\n")
            except BlockingIOError:
                return self.said

    def close(self) -> None:
        self._in.close()


@pytest.fixture
def manager(tmp_path) -> Iterator[Manager]:
    found = Manager(tmp_path)
    yield found
    found.close()


async def test_ingest_is_ready_when_it_listens_and_redis_is_fit(own_server, manager):
    with own_server.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        with Ingest(own_server.url, **manager.environ, HOOKBUS_INGEST_DRAIN_DELAY_S="0") as ingest:
            await ingest.until_logged("listening")
            await until(lambda: manager.heard("STATUS=not ready: maxmemory-policy is allkeys-lru"))
            assert manager.heard("EXTEND_TIMEOUT_USEC=")
            assert not manager.heard("READY=1")
            client.config_set("maxmemory-policy", "noeviction")
            await until(lambda: manager.heard("READY=1", "STATUS=ready", "WATCHDOG=1"))
            client.config_set("maxmemory-policy", "allkeys-lru")
            await until(lambda: manager.heard("STATUS=answering 503 not_durable"))
            assert await ingest.end() == 0
    assert manager.heard("READY=1", "WATCHDOG=1", "STOPPING=1")


async def test_an_exporter_is_ready_when_it_answers_and_says_whether_it_sees_redis(own_server, manager):
    arguments = ("hookbus-worker", "exporter", "--listen", "127.0.0.1:0")
    with Program(*arguments, redis_url=own_server.url, **manager.environ) as exporter:
        await until(lambda: manager.heard("READY=1", "STATUS=exporting", "WATCHDOG=1"))
        await asyncio.to_thread(own_server.stop)
        line = await exporter.until_logged("exporting")

        async def sees_nothing() -> bool:
            async with aiohttp.ClientSession() as session, session.get(line["url"]) as response:
                assert response.status == 200
            return manager.heard("STATUS=exporting nothing: Redis is unreachable", "WATCHDOG=1")

        await until(sees_nothing)
        assert await exporter.end() == 0
    assert manager.heard("READY=1", "STOPPING=1")


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(signal.SIGSTOP, id="that hangs", marks=pytest.mark.slow),  # readiness falls after 15 s
        pytest.param(signal.SIGKILL, id="that is gone"),
    ],
)
async def test_a_worker_is_ready_when_it_reads_and_lives_on_with_a_redis(own_server, manager, way):
    with Worker(own_server.url, "plain", **manager.environ) as worker:
        await until(lambda: manager.heard("READY=1", "STATUS=working; 0 running for plain", "WATCHDOG=1"))
        os.kill(own_server.pid, way)
        manager.listen()
        manager.said.clear()
        began = time.monotonic()
        while time.monotonic() - began < 10:  # longer than a read may take
            await until(lambda: manager.heard("WATCHDOG=1"), 5)
            manager.said.clear()
        assert worker.process.poll() is None
        assert not worker.logged("stalled")
        assert await worker.end() == 0
    assert manager.heard("STOPPING=1")


async def test_a_process_that_hangs_gives_no_sign(own_server, manager):
    with Worker(own_server.url, "plain", **manager.environ) as worker:
        await until(lambda: manager.heard("READY=1", "WATCHDOG=1"))
        worker.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(0.1)  # what was on its way
        manager.listen()
        manager.said.clear()
        await asyncio.sleep(0.7)  # more than WATCHDOG_USEC
        assert not manager.heard("WATCHDOG=1")


async def test_a_hangup_reads_secrets_again(redis_url, manager, tmp_path):
    file, config, port = tmp_path / "secret", tmp_path / "hookbus.toml", free_port()
    file.write_text(SECRET)
    config.write_text(f'[ingest.sources.openai]\npath = "/webhooks/openai"\nsecrets = ["file:{file}"]\n')
    told = {"OPENAI_WEBHOOK_SECRET": "", "HOOKBUS_INGEST_DRAIN_DELAY_S": "0"}
    with Ingest(redis_url, "--config", str(config), port=port, **manager.environ, **told) as ingest:
        await ingest.until_fit()
        await until(lambda: manager.heard("READY=1"))
        assert (await post(ingest.url, "wh_1", event_body()))[0] == 200
        file.write_text(f"{OTHER}\n{SECRET}\n")
        manager.said.clear()
        ingest.process.send_signal(signal.SIGHUP)
        await ingest.until_logged("reloaded")
        await until(lambda: manager.heard("RELOADING=1", "MONOTONIC_USEC=", "READY=1"))
        assert (await post(ingest.url, "wh_2", event_body(), secret=OTHER))[0] == 200
        config.write_text("no TOML")
        ingest.process.send_signal(signal.SIGHUP)
        await ingest.until_logged("reload_refused")
        assert (await post(ingest.url, "wh_3", event_body(), secret=OTHER))[0] == 200
        assert await ingest.end() == 0
    assert OTHER not in "".join(ingest.raw)


async def test_a_hangup_leaves_a_worker_at_work(redis_url):
    with Worker(redis_url, "plain") as worker:
        await worker.until_working()
        worker.process.send_signal(signal.SIGHUP)
        await worker.until_logged("nothing_to_reload")
        assert await worker.end() == 0


async def test_a_terminal_that_is_closed_stops_what_ran_in_it(redis_url):
    here, there = pty.openpty()
    os.set_blocking(here, False)
    name = os.ttyname(there)
    # Without one so far, a new session takes the terminal that it opens for its own.
    shell = ("setsid", "bash", "-c", f'exec "$@" <{name} >{name} 2>&1', "-")
    said = b""

    def has_said(word: bytes) -> bool:
        nonlocal said
        with contextlib.suppress(BlockingIOError):
            said += os.read(here, 4096)
        return word in said

    with Worker(redis_url, "plain", around=shell, TERM="dumb") as worker:
        await until(lambda: has_said(b"working") or worker.process.poll() is not None)
        os.close(there)
        os.close(here)
        assert await asyncio.to_thread(worker.process.wait, 20) == 0, said
