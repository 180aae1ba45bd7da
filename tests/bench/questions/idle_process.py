"""What does one process with many groups, subscriptions and shards ask of Redis while nothing happens?"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from hookbus.shared.connection import Redis, connect, parse_info
from tests.bench.figures import Answer, Series, at_most, reported
from tests.bench.idle import TYPES
from tests.bench.many_groups import GROUPS
from tests.bench.question import question
from tests.bench.stage import Stage

SHARDS: Final = 4
SETTLE_S: Final = 12.0
"""Seconds until the work of the start is done, and duties that wait for the end of a liveness key have begun."""


@question(
    "connections and commands of an idle process: 50 groups, 10 subscriptions each, 4 shards",
    idle_connections=at_most(250),
    idle_commands=at_most(250),
)
async def idle_process(stage: Stage) -> Sequence[Answer]:
    seconds = stage.scale(30.0, 10.0)  # some duties act every ten seconds
    server = await stage.valkey()
    apps = [f"tests.bench.many_groups:{group}" for group in GROUPS]
    await stage.worker(server, *apps, HOOKBUS_SHARDS=str(SHARDS))
    await asyncio.sleep(SETTLE_S)
    client = connect(server.url, "bench", connections=1)
    before, began = await commands(client), time.perf_counter()
    await asyncio.sleep(seconds)
    asked = await commands(client) - before - 1  # the INFO itself
    rate = asked / (time.perf_counter() - began)
    connections = int(parse_info(await client.execute_command("INFO", "clients"))["connected_clients"]) - 1
    await client.aclose()
    note = f"{len(GROUPS)} groups, {len(TYPES)} subscriptions each, {SHARDS} shards; commands within scripts count"
    return [
        reported("idle_connections", [Series("worker", (connections,))], "connections", note),
        reported("idle_commands", [Series("worker", (rate,))], "commands/s"),
    ]


async def commands(client: Redis) -> int:
    """Commands that Redis has executed so far."""
    return int(parse_info(await client.execute_command("INFO", "stats"))["total_commands_processed"])
