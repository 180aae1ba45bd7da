"""What several tests of pages begin with."""

from hookbus.shared.connection import Redis
from tests.worker.builders import GROUP, TYPE, join, store
from tests.worker.dead_letters import subscribe


async def two_groups(client: Redis) -> None:
    """The groups `GROUP` and `audit`, which subscribe to `TYPE` and have joined, and the event `wh_1`."""
    for group in (GROUP, "audit"):
        await subscribe(client, TYPE, group=group)
        await join(client, group=group)
    await store(client, "wh_1")
