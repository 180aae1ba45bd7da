"""The floor of ingest: the same aiohttp on the same loop, with a handler that only reads the body.

python -m tests.bench.sides.floor PORT
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Final

import uvloop
from aiohttp import web

from tests.bench import requests

ANSWER: Final = b'{"status": "accepted"}'


async def answer(request: web.Request) -> web.Response:
    """The response of ingest, without its work."""
    await request.read()
    return web.Response(body=ANSWER, content_type="application/json")


async def serve(port: int, handler: Callable[[web.Request], Awaitable[web.Response]] = answer) -> None:
    """Serve until killed."""
    app = web.Application()
    app.router.add_post(requests.PATH, handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    print(json.dumps({"event": "ready"}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
