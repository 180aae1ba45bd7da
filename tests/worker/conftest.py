"""After each test that used Redis, it holds no key that `shared/keys.py` does not define."""

import asyncio
import inspect
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import aiohttp
import pytest
from aiohttp import web

from hookbus.shared import keys
from hookbus.shared.keys import Keys
from hookbus.shared.valkey import Valkey

TEST_KEYS = ("test:",)
"""Prefixes of keys that tests may leave."""


def _families() -> re.Pattern[str]:
    """A regular expression for all key names, from the methods that build them."""
    shapes = [keys.META]
    for name, member in inspect.getmembers(Keys):
        if name.startswith("_") or name == "shard":
            continue
        if isinstance(member, property):
            shapes.append(getattr(Keys(0), name))
        else:
            count = len(inspect.signature(member).parameters) - 1
            shapes.append(getattr(Keys(0), name)(*["@"] * count))
    patterns = [
        re.escape(shape).replace("@", "[A-Za-z0-9_.-]{1,128}").replace(r"\{0\}", r"\{\d+\}") for shape in shapes
    ]
    return re.compile("|".join(patterns))


FAMILIES = _families()


def strangers(names: list[bytes]) -> list[str]:
    """The keys that neither hookbus nor a test defines."""
    keys_found = [name.decode() for name in names]
    return [name for name in keys_found if not name.startswith(TEST_KEYS) and not FAMILIES.fullmatch(name)]


@pytest.fixture(autouse=True)
def no_strange_key_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Checks the shared server; a server for one test is removed with its data."""
    yield
    if "redis_url" in request.fixturenames:
        server: Valkey = request.getfixturevalue("server")
        with server.client() as client:
            assert strangers(client.keys("*")) == []


@pytest.fixture
async def late_proxy() -> AsyncIterator[Callable[..., Awaitable[tuple[str, list[asyncio.Task[int]]]]]]:
    """Starts a proxy that passes the first post on, and drops the connection of each later one before it does. Returns
    its URL and the requests that it passes on."""
    loop = asyncio.get_running_loop()
    runners: list[web.AppRunner] = []
    passing: list[asyncio.Task[int]] = []

    async def start(url: str, delay_s: float) -> tuple[str, list[asyncio.Task[int]]]:
        async def pass_on(headers: dict[str, str], body: bytes, after_s: float) -> int:
            await asyncio.sleep(after_s)
            async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
                return answer.status

        async def handle(request: web.Request) -> web.Response:
            headers = {name: value for name, value in request.headers.items() if name.startswith("webhook-")}
            is_first = not passing
            passing.append(loop.create_task(pass_on(headers, await request.read(), 0 if is_first else delay_s)))
            if is_first:
                return web.json_response({"status": "accepted"}, status=await passing[0])
            assert request.transport is not None
            request.transport.close()
            return web.Response()

        app = web.Application()
        app.router.add_post("/", handle)
        runners.append(web.AppRunner(app))
        await runners[0].setup()
        site = web.TCPSite(runners[0], "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{runners[0].addresses[0][1]}/", passing

    yield start
    for runner in runners:
        await runner.cleanup()
