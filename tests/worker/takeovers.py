"""Consumers that died with deliveries, and claims of what they left."""

from typing import Any

from hookbus.shared import scripts
from hookbus.worker.api.delivery import FIRST_SUSPICION, member_prefix
from tests.worker.builders import GROUP, KEYS, OWN_STREAM, STREAM, TYPE, join, register, store, take


async def die_with(client, *webhook_ids: str, consumer: str = "dead") -> None:
    """Have a registered consumer without a liveness key read these events."""
    await join(client)
    await register(client, consumer, alive=False)
    await store(client, *webhook_ids)
    await take(client, consumer)


def takeover_call(
    dead: str, by: str, count: int = 100, *, suspects: int = 100, death: str = "", looks: int = 1000, own: bool = False
) -> scripts.Call:
    """The script call by which a consumer claims from a dead one."""
    keys = (OWN_STREAM if own else STREAM, KEYS.alive(dead), KEYS.deaths(GROUP))
    member = member_prefix(TYPE, GROUP, own)
    args = (GROUP, dead, by, count, suspects, FIRST_SUSPICION - 1, looks, death, member)
    return scripts.Call(scripts.TAKEOVER, keys, args)


async def take_over(client, dead: str, by: str, count: int = 100, **options: Any) -> list:
    return await scripts.run(client, takeover_call(dead, by, count, **options))
