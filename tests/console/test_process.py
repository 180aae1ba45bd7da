"""The process: how it starts, what keeps it from starting, how it ends."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import aiohttp
import pytest

from hookbus.shared.connection import connect
from hookbus.shared.valkey import Valkey
from hookbus.worker.console import job_store
from hookbus.worker.settings import DEFAULT_CONSOLE_LISTEN
from tests.console.browser import console, contexts
from tests.programs import Program
from tests.worker.builders import GROUP
from tests.worker.console.pages.test_plan import form_of, post
from tests.worker.console.serving import read
from tests.worker.dead_letters import create_groups, letter, store_letters, subscribe


async def test_it_answers_on_loopback_with_probes_and_metrics_as_the_other_programs(client, redis_url):
    await create_groups(client, GROUP)
    async with console(redis_url) as url, aiohttp.ClientSession(url) as session:
        for path, text in (
            ("/", "Groups × event types"),
            ("/healthz", "alive"),
            ("/readyz", "ready"),
            ("/metrics", "process_resident_memory_bytes"),
        ):
            async with session.get(path) as response:
                assert response.status == 200
                assert text in await response.text()


STOP_S = 2.0
TRIES = 3
ANYWHERE = {"HOOKBUS_WORKER_CONSOLE_LISTEN": "0.0.0.0:0"}
TOKEN = {"HOOKBUS_WORKER_CONSOLE_AUTH": "token"}
HEADER = {"HOOKBUS_WORKER_CONSOLE_AUTH": "header"}
TOKENS = "HOOKBUS_WORKER_CONSOLE_TOKENS"
PROXIES = "HOOKBUS_WORKER_CONSOLE_TRUSTED_PROXIES"


@pytest.mark.parametrize(
    ("environ", "setting", "advice"),
    [
        (ANYWHERE, "HOOKBUS_WORKER_CONSOLE_LISTEN", "set worker.console_auth, or listen on 127.0.0.1"),
        (ANYWHERE | TOKEN, "worker.console_tokens", 'viewer = ["file:PATH"], operator = ["file:PATH"]'),
        (TOKEN | {TOKENS: '{"viewer": ["short"]}'}, "worker.console_tokens.viewer", "shorter than 20 characters"),
        (TOKEN | {TOKENS: '{"viewer": ["file:/none"]}'}, "worker.console_tokens.viewer", "/none"),
        (TOKEN | {TOKENS: '{"admin": []}'}, "worker.console_tokens", "viewer or operator"),
        (HEADER, "worker.console_trusted_proxies", "the addresses of the proxy"),
        (HEADER | {PROXIES: '["proxy.internal"]'}, "worker.console_trusted_proxies", "proxy.internal"),
        ({"HOOKBUS_WORKER_CONSOLE_AUTH": "basic"}, "HOOKBUS_WORKER_CONSOLE_AUTH", "none, token, header"),
    ],
)
async def test_with_settings_that_let_nobody_or_everybody_in_it_does_not_start_and_says_what_to_write(
    redis_url, environ, setting, advice
):
    with Program("hookbus-worker", "console", redis_url=redis_url, **environ) as program:
        assert await program.until_ended() == 78
        told = [line for line in program.raw if f"{setting}: " in line]
        assert [line for line in told if advice in line], program.raw
        assert not any("Traceback" in line for line in program.raw)


async def test_for_operators_it_does_not_start_with_a_user_of_redis_who_may_only_read(own_server: Valkey):
    url = own_server.url.replace("unix://", "unix://console-viewer:console-viewer@")
    options = ("--listen", "127.0.0.1:0", "--role", "operator")
    with Program("hookbus-worker", "console", *options, redis_url=url) as program:
        assert await program.until_ended() == 78
        assert any("may not record actions in hookbus:{0}:audit" in line for line in program.raw)
        assert not any("Traceback" in line for line in program.raw)


async def test_without_jinja_it_says_what_to_install(redis_url, tmp_path):
    (tmp_path / "jinja2.py").write_text('raise ImportError("none", name="jinja2")')
    with Program("hookbus-worker", "console", redis_url=redis_url, PYTHONPATH=str(tmp_path)) as program:
        assert await program.until_ended() == 78
        assert any("pip install 'hookbus[console]'" in line for line in program.raw)


async def test_it_starts_while_redis_is_away_and_says_so(tmp_path):
    nowhere = f"unix://{tmp_path}/none.sock"
    async with console(nowhere) as url, aiohttp.ClientSession(url) as session, session.get("/") as response:
        assert response.status == 503
        assert "Redis does not answer" in await response.text()


async def ends_after_s(redis_url: str, meanwhile: Callable[[str], AbstractAsyncContextManager[None]]) -> float:
    """How long a console takes to end on SIGTERM while somebody does something with its pages."""
    options = ("--listen", "127.0.0.1:0", "--role", "operator")
    with Program("hookbus-worker", "console", *options, redis_url=redis_url) as program:
        url = (await program.until_logged("serving"))["url"].rstrip("/")
        await program.until_logged("redis_connected")
        async with meanwhile(url):
            began_s = time.monotonic()
            assert await program.end() == 0
            took_s = time.monotonic() - began_s
        assert program.tracebacks() == []
        return took_s


async def assert_ends_in_time(redis_url: str, meanwhile: Callable[[str], AbstractAsyncContextManager[None]]) -> None:
    """The best of up to three: a busy machine may take long to end a process that has stopped."""
    took_s: list[float] = []
    while len(took_s) < TRIES and min(took_s, default=STOP_S) >= STOP_S:
        took_s.append(await ends_after_s(redis_url, meanwhile))
    assert min(took_s) < STOP_S, took_s


@pytest.mark.needs("chromium")
async def test_it_ends_within_two_seconds_while_a_browser_polls(client, redis_url):
    await create_groups(client, GROUP)

    @contextlib.asynccontextmanager
    async def polls(url: str) -> AsyncIterator[None]:
        async with contexts(url, "net::ERR_") as new:
            page = await new()
            async with page.expect_request("**/part/**"):
                await page.goto("/")
            yield

    await assert_ends_in_time(redis_url, polls)


async def test_it_ends_within_two_seconds_while_redis_hangs_pages_wait_and_letters_are_moved(own_server: Valkey):
    async with connect(own_server.url, "tests") as client:
        await subscribe(client, "*")
        await store_letters(client, *(letter(f"wh_{i}") for i in range(1000)))

    @contextlib.asynccontextmanager
    async def moves(url: str) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(url) as session:
            _, plan = await post(session, "/plan", verb="redrive")
            status, _ = await post(session, "/run", **form_of(plan), rate="50")
            assert status == 303
            os.kill(own_server.pid, signal.SIGSTOP)
            waiting = asyncio.create_task(read(session, "/dead"))
            try:
                await asyncio.wait([waiting], timeout=job_store.BEAT_S)
                assert not waiting.done()
                yield
            finally:
                os.kill(own_server.pid, signal.SIGCONT)
                await asyncio.gather(waiting, return_exceptions=True)

    await assert_ends_in_time(own_server.url, moves)


def test_the_default_port_is_its_own_and_on_loopback():
    assert str(DEFAULT_CONSOLE_LISTEN) == "127.0.0.1:9467"
