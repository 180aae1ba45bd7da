"""How much memory does a stored event take? OpenAI's examples of all types, beside a bare XADD of three fields.

Any receiver has to store these three fields: webhook-id, time of arrival and body. hookbus stores the source too. The
sets of the dedupe are another question.
"""

from collections.abc import Sequence
from typing import Final

from hookbus.shared.clock import now_ms
from hookbus.shared.connection import connect
from hookbus.shared.samples import samples
from hookbus.shared.valkey import Valkey
from tests.bench import backlog, memory, requests
from tests.bench.figures import Answer, Series, at_most, compared
from tests.bench.question import question
from tests.bench.stage import Stage

AT_ONCE: Final = 1000


@question("Redis memory per stored event, beside a bare XADD of three fields", stored_bytes_vs_raw=at_most(1.25))
async def stored_memory(stage: Stage) -> Sequence[Answer]:
    types = sorted(samples())
    count = stage.scale(3000, 300) * len(types)
    hookbus_server, bare_server = await stage.valkey(appendonly="no"), await stage.valkey(appendonly="no")
    await backlog.store(hookbus_server, count, types)
    await add_bare(bare_server, count, types)
    ours = Series("hookbus", (await stream_bytes(hookbus_server, "hookbus:*:stream:*") / count,))
    bare = Series("bare XADD", (await stream_bytes(bare_server, "stream:*") / count,))
    return [compared("stored_bytes_vs_raw", ours, bare, "bytes")]


async def add_bare(server: Valkey, count: int, types: Sequence[str]) -> None:
    """The same events without hookbus."""
    client = connect(server.url, "bench", connections=1)
    bodies = {name: requests.body(name) for name in types}
    for first in range(0, count, AT_ONCE):
        pipeline = client.pipeline(transaction=False)
        for number in range(first, min(first + AT_ONCE, count)):
            name = types[number % len(types)]
            fields = ("id", requests.webhook_id(), "at", now_ms(), "body", bodies[name])
            pipeline.execute_command("XADD", f"stream:{name}", "*", *fields)
        await pipeline.execute()
    await client.aclose()


async def stream_bytes(server: Valkey, pattern: str) -> int:
    """Bytes that the streams take."""
    client = connect(server.url, "bench", connections=1)
    try:
        return await memory.bytes_of(client, await memory.keys_like(client, pattern))
    finally:
        await client.aclose()
