"""Whether a filter can match anything at all: a misspelt type must not read as "nothing there"."""

from collections.abc import Sequence

from ...shared.command import FailedError
from ...shared.connection import Redis
from ...shared.events import BY_TYPE
from ...shared.keys import UNTYPED
from ...shared.nearest import did_you_mean
from ...shared.patterns import matches
from ...shared.pipelined import execute_all
from ..inventory import registry
from .query import DeadLetters


async def require(client: Redis, store: DeadLetters, types: Sequence[str]) -> None:
    """Raise FailedError for a type or pattern that matches no type known here: documented, stored, subscribed to or
    dead. Raises RedisError, OSError."""
    if not types:
        return
    subscribed = await registry.patterns(client, store.shards)
    stored = await execute_all(client, [("SMEMBERS", keys.types) for keys in store.shards])
    known = {*BY_TYPE, UNTYPED, *(name.decode() for names in stored for name in names), *await store.dead_types()}
    known.update(pattern for patterns in subscribed.values() for pattern in patterns if not pattern.endswith("*"))
    for pattern in types:
        if not any(matches(pattern, name) for name in known):
            raise FailedError(f"{pattern} matches no event type that is known here{_hint(pattern, known)}")


def _hint(pattern: str, known: set[str]) -> str:
    if any(matches(f"{pattern}.*", name) for name in known):
        return f"; did you mean {pattern}.*?"
    return did_you_mean(pattern, known)
