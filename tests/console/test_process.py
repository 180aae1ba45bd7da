"""The process: how it starts, what keeps it from starting, how it ends."""

import asyncio
import time

import aiohttp
import pytest

from hookbus.shared.valkey import Valkey
from hookbus.worker.settings import DEFAULT_CONSOLE_LISTEN
from tests.console.browser import console
from tests.programs import Program
from tests.worker.builders import GROUP
from tests.worker.dead_letters import create_groups


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


BUSY_S = 3.0
"""Until a busy machine has ended a process that has stopped."""
ANYWHERE = {"HOOKBUS_WORKER_CONSOLE_LISTEN": "0.0.0.0:0"}
TOKEN = {"HOOKBUS_WORKER_CONSOLE_AUTH": "token"}
HEADER = {"HOOKBUS_WORKER_CONSOLE_AUTH": "header"}
TOKENS = "HOOKBUS_WORKER_CONSOLE_TOKENS"
PROXIES = "HOOKBUS_WORKER_CONSOLE_TRUSTED_PROXIES"


@pytest.mark.parametrize(
    ("environ", "key", "advice"),
    [
        (ANYWHERE, "console_listen", "set worker.console_auth, or listen on 127.0.0.1"),
        (ANYWHERE | TOKEN, "console_tokens", 'viewer = ["file:PATH"], operator = ["file:PATH"]'),
        (TOKEN | {TOKENS: '{"viewer": ["short"]}'}, "console_tokens.viewer", "shorter than 20 characters"),
        (TOKEN | {TOKENS: '{"viewer": ["file:/none"]}'}, "console_tokens.viewer", "/none"),
        (TOKEN | {TOKENS: '{"admin": []}'}, "console_tokens", "viewer or operator"),
        (HEADER, "console_trusted_proxies", "the addresses of the proxy"),
        (HEADER | {PROXIES: '["proxy.internal"]'}, "console_trusted_proxies", "proxy.internal"),
        ({"HOOKBUS_WORKER_CONSOLE_AUTH": "basic"}, "console_auth", "none, token, header"),
    ],
)
async def test_with_settings_that_let_nobody_or_everybody_in_it_does_not_start_and_says_what_to_write(
    redis_url, environ, key, advice
):
    with Program("hookbus-worker", "console", redis_url=redis_url, **environ) as program:
        assert await program.until_ended() == 78
        told = [line for line in program.raw if f"worker.{key}: " in line]
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


async def test_it_ends_within_two_seconds_while_a_browser_polls(client, redis_url):
    await create_groups(client, GROUP)
    options = ("--listen", "127.0.0.1:0")
    with Program("hookbus-worker", "console", *options, redis_url=redis_url) as program:
        url = (await program.until_logged("serving"))["url"]
        async with aiohttp.ClientSession(url) as session:
            polling = asyncio.create_task(_poll(session))
            await program.until_logged("redis_connected")
            began_s = time.monotonic()
            assert await program.end() == 0
            assert time.monotonic() - began_s < 2 + BUSY_S
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)


async def _poll(session: aiohttp.ClientSession) -> None:
    while True:
        async with session.get("/part/"):
            pass


def test_the_default_port_is_its_own_and_on_loopback():
    assert str(DEFAULT_CONSOLE_LISTEN) == "127.0.0.1:9467"
