"""Receivers that answer what a test says, to see what a sender makes of it."""

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web


def answer(status: int, code: str = "", **headers: str) -> web.Response:
    """An answer as ingest gives; without a code one of another server."""
    name = "status" if status == 200 else "error"
    return web.Response(status=status, text=json.dumps({name: code}) if code else "<html>", headers=headers)


@contextlib.asynccontextmanager
async def receiving(handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """A receiver; its URL."""
    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def answering(*answers: web.Response | None) -> AsyncIterator[tuple[str, list[web.BaseRequest]]]:
    """A receiver with these answers in turn, then the last one for ever; None hangs up. Its URL, and what it got."""
    requests: list[web.BaseRequest] = []
    left = list(answers)

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        requests.append(request)
        found = left.pop(0) if len(left) > 1 else left[0]
        if found is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return web.Response(status=found.status, body=found.body, headers=found.headers)

    async with receiving(handle) as url:
        yield url, requests
