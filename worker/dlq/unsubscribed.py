"""Types that a group does not subscribe to: no worker reads what is redelivered of them.

A release removed a handler while its letters were redriven, or while its failures waited for their next attempt. The
redeliveries stay in the group's redelivery stream until it subscribes again, or until `retries dead-letter` makes them
dead letters.
"""

from collections.abc import Mapping, Sequence

from ...shared.connection import Redis
from ...shared.events import BY_TYPE
from ...shared.keys import UNTYPED, Keys
from ...shared.patterns import patterns_of
from ...shared.pipelined import execute_all
from ..inventory import registry

Subscribed = Mapping[str, frozenset[str]]
"""Group → the patterns that it subscribes to, without groups whose workers never published any."""


def is_unsubscribed(subscribed: Subscribed, group: str, event_type: str) -> bool:
    """Whether a group has published patterns, none of which matches a type."""
    return group in subscribed and subscribed[group].isdisjoint(patterns_of(event_type))


async def known_types(client: Redis, shards: Sequence[Keys], group: str) -> list[str]:
    """Return the types that a group may receive: documented, stored or named by it. Raises RedisError, OSError."""
    subscribed = await registry.patterns(client, shards)
    stored = await execute_all(client, [("SMEMBERS", keys.types) for keys in shards])
    own = {pattern for pattern in subscribed.get(group, ()) if not pattern.endswith("*")}
    types = {*BY_TYPE, UNTYPED, *own, *(name.decode() for names in stored for name in names)}
    return sorted(name for name in types if not is_unsubscribed(subscribed, group, name))
