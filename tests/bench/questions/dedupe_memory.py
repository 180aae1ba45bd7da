"""How much memory does a remembered webhook-id take in Redis?"""

from collections.abc import Sequence
from typing import Final

from hookbus.shared.connection import connect
from tests.bench import backlog, memory, requests
from tests.bench.figures import Answer, Series, at_most, reported
from tests.bench.question import question
from tests.bench.stage import Stage

WINDOW_S: Final = 96 * 3600
AT_ONCE: Final = 1000


@question("Redis memory per remembered id, beside a key per id with expiry", dedupe_bytes_per_id=at_most(45))
async def dedupe_memory(stage: Stage) -> Sequence[Answer]:
    count = stage.scale(1_000_000, 50_000)
    server, plain_server = await stage.valkey(appendonly="no"), await stage.valkey(appendonly="no")
    await backlog.store(server, count)
    client = connect(server.url, "bench", connections=1)
    hookbus = await memory.bytes_of(client, await memory.keys_like(client, "hookbus:{0}:seen:*")) / count
    await client.aclose()
    client = connect(plain_server.url, "bench", connections=1)
    for first in range(0, count, AT_ONCE):
        pipeline = client.pipeline(transaction=False)
        for _ in range(min(AT_ONCE, count - first)):
            pipeline.execute_command("SET", f"seen:{requests.webhook_id()}", 1, "NX", "EX", WINDOW_S)
        await pipeline.execute()
    before = await memory.used_bytes(client)
    await client.execute_command("FLUSHALL", "SYNC")
    keys = (before - await memory.used_bytes(client)) / count
    await client.aclose()
    answer = reported("dedupe_bytes_per_id", [Series("hookbus", (hookbus,))], "bytes", f"a key per id takes {keys:.0f}")
    return [answer]
