"""Events in Redis, for the tests of a status."""

import time

from hookbus.shared import scripts
from hookbus.shared.keys import Keys, of
from hookbus.worker.inventory.redeliveries import relist

KEYS = Keys(0)
TYPE = "response.completed"
MAIN = KEYS.stream(TYPE)


async def add(client, stream: str, count: int = 1, age_s: float = 0, types: str = KEYS.types, event_type: str = TYPE):
    """Store events that arrived `age_s` ago."""
    ms = int((time.time() - age_s) * 1000)
    for i in range(count):
        fields = ("id", f"wh_{i}", "src", "openai", "at", ms, "body", "{}")
        await client.execute_command("XADD", stream, f"{ms}-*", *fields)
    await client.execute_command("SADD", types, event_type)
    if ":" in stream.removeprefix(of(stream).stream("")):
        await scripts.run(client, relist(of(stream), "billing", event_type))
