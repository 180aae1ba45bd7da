"""The first of three bare hops: an aiohttp on uvloop whose handler reads the body and awaits one XADD of redis-py.

It verifies nothing, knows no duplicates, and stores each event by a round trip of its own.

python -m tests.bench.sides.bare_ingest PORT, with HOOKBUS_REDIS_URL
"""

import asyncio
import json
import os
import sys

import uvloop
from aiohttp import web
from redis.asyncio import Redis

from tests.bench import requests
from tests.bench.sides.bare_reader import STREAM
from tests.bench.sides.floor import ANSWER


async def serve(port: int) -> None:
    """Serve until killed."""
    client = Redis.from_url(os.environ["HOOKBUS_REDIS_URL"], protocol=2)

    async def store(request: web.Request) -> web.Response:
        body = await request.read()
        await client.xadd(STREAM, {"id": request.headers["webhook-id"], "body": body})
        return web.Response(body=ANSWER, content_type="application/json")

    app = web.Application()
    app.router.add_post(requests.PATH, store)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    print(json.dumps({"event": "ready"}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
