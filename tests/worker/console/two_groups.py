"""What several tests of pages begin with."""

from hookbus.shared.connection import Redis
from tests.worker.builders import GROUP, KEYS, TYPE, join, store
from tests.worker.dead_letters import create_groups


async def two_groups(client: Redis) -> None:
    """The groups `GROUP` and `audit`, which subscribe to `TYPE` and have joined, and the event `wh_1`."""
    await create_groups(client, GROUP, "audit")
    for group in (GROUP, "audit"):
        await client.execute_command("HSET", KEYS.patterns, group, TYPE)
        await join(client, group=group)
    await store(client, "wh_1")
