"""The last of three bare hops: a blocked XREADGROUP of redis-py, which notes when it returns an entry.

python -m tests.bench.sides.bare_reader, with HOOKBUS_REDIS_URL
"""

import json
import os
import time
from typing import Final

import uvloop
from redis.asyncio import Redis

from tests.bench.stopwatch import Notes

STREAM: Final = "bare"
GROUP: Final = "bare"


async def main() -> None:
    """Read until killed."""
    client = Redis.from_url(os.environ["HOOKBUS_REDIS_URL"], protocol=2)
    await client.xgroup_create(STREAM, GROUP, "0", mkstream=True)
    notes = Notes()
    print(json.dumps({"event": "ready"}), flush=True)
    while True:
        reply = await client.xreadgroup(GROUP, "one", {STREAM: ">"}, count=100, block=2000)
        at_ns = time.monotonic_ns()
        for entry_id, fields in reply[0][1] if reply else ():
            notes.note(fields[b"id"].decode(), at_ns)
            await client.xack(STREAM, GROUP, entry_id)


if __name__ == "__main__":
    uvloop.run(main())
