"""A console in the process of the test."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp
from structlog.testing import capture_logs

from hookbus.shared.command import Stopping
from hookbus.shared.listen import Listen
from hookbus.worker.console.run import Console
from hookbus.worker.settings import WorkerSettings
from tests.wait import until


@contextlib.asynccontextmanager
async def serving(redis_url: str, *expected: str, **settings: object) -> AsyncIterator[aiohttp.ClientSession]:
    """A session with a running console as its base; an error in its log fails the test unless it is expected."""
    stopping = Stopping()
    given = {"redis_url": redis_url, "console_listen": Listen("127.0.0.1", 0)} | settings
    with capture_logs() as logs:
        console = Console(WorkerSettings(**given), stopping)
        task = asyncio.create_task(console.run())
        try:
            await until(lambda: task.done() or [log for log in logs if log["event"] == "serving"])
            (line,) = [log for log in logs if log["event"] == "serving"]
            async with aiohttp.ClientSession(line["url"]) as session:
                yield session
        finally:
            stopping.set()
            await task
    assert {log["event"] for log in logs if log["log_level"] == "error"} == set(expected)


async def read(session: aiohttp.ClientSession, path: str, **headers: str) -> tuple[int, str]:
    """Code and text of a page, asked for in the address bar."""
    async with session.get(path, headers={"Sec-Fetch-Site": "none"} | headers) as response:
        return response.status, await response.text()
