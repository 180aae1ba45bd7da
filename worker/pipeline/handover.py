"""Hands deliveries over to the other consumers of a group, which counts as no attempt and no death."""

from collections.abc import Sequence
from typing import Final

from ...shared import keys, scripts
from ...shared.clock import now_ms
from ...shared.connection import Redis, refusal_code
from ...shared.keys import HANDOVER
from .unusable_keys import is_of_one_key

AT_ONCE: Final = 1000
"""More than any subscription has in flight by default; a release of more takes several calls."""


def release(stream: str, group: str, consumer: str, count: int, entry_ids: Sequence[bytes] = ()) -> scripts.Call:
    """The script call that releases what is pending for a consumer on one stream: these entries, else up to `count`."""
    shard = keys.of(stream)
    args: list[scripts.Argument] = [group, consumer, HANDOVER, count, now_ms(), *entry_ids]
    return scripts.Call(scripts.RELEASE, (stream, shard.consumers(group), shard.expiries), args)


async def release_all(client: Redis, streams: Sequence[str], group: str, consumer: str) -> int:
    """Release all that is pending for a consumer on some streams. Returns how much. Raises RedisError, OSError.

    To be called after the last read, and while the liveness key of the consumer exists: without the key the others
    would take its deliveries over as those of a dead consumer, which counts as a suspicion.
    """
    released = 0
    while streams:
        results = await scripts.run_all(client, [release(stream, group, consumer, AT_ONCE) for stream in streams])
        for result in results:
            if isinstance(result, Exception) and refusal_code(result) != "NOGROUP" and not is_of_one_key(result):
                raise result
        released += sum(result for result in results if isinstance(result, int))
        streams = [stream for stream, result in zip(streams, results, strict=True) if result == AT_ONCE]
    return released
