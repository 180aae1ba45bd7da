"""The first of three bare hops: an aiohttp on uvloop whose handler reads the body and awaits one XADD of redis-py.

It verifies nothing, knows no duplicates, and stores each event by a round trip of its own.

python -m tests.bench.sides.bare_ingest PORT, with HOOKBUS_REDIS_URL
"""

import os
import sys

import uvloop
from aiohttp import web
from redis.asyncio import Redis

from tests.bench.sides import floor
from tests.bench.sides.bare_reader import STREAM


async def serve(port: int) -> None:
    """Serve until killed."""
    client = Redis.from_url(os.environ["HOOKBUS_REDIS_URL"], protocol=2)

    async def store(request: web.Request) -> web.Response:
        body = await request.read()
        await client.xadd(STREAM, {"id": request.headers["webhook-id"], "body": body})
        return web.Response(body=floor.ANSWER, content_type="application/json")

    await floor.serve(port, store)


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
