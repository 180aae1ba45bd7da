"""The whole bus at one moment, for Prometheus: what Redis says of itself, of every group, and of the last events.

Costs Redis what `status` costs, one INFO, and one XINFO STREAM for each type that ever came; nothing is scanned.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from ...shared import redis_report, server
from ...shared.connection import Redis, leave_server
from ...shared.keys import Keys
from ...shared.redis_report import RedisReport
from ..inventory import registry
from ..inventory.registry import execute_all
from . import status
from .status import Status

LAST_ID: Final = b"%d-%d" % (2**64 - 1, 2**64 - 1)
"""After an entry of this id, as somebody's slip makes one, a stream takes no other."""


class Bus(msgspec.Struct, frozen=True):
    """`last_event_ms`: type → when its last event was stored, Unix ms; also of events that were trimmed since.

    `patterns`: group → what it subscribes to. `now_ms` is Redis' time.
    """

    redis: RedisReport
    status: Status
    patterns: dict[str, frozenset[str]]
    last_event_ms: dict[str, int]
    now_ms: int


async def fetch(client: Redis, configured_shards: int) -> Bus:
    """The bus now. Raises ConfigError, RedisError, OSError."""
    execute = client.execute_command
    seen = await server.fetch(execute)
    if seen.info.get("role") != "master":
        leave_server(client)  # what a replica tells may be old; the next look goes where the address leads by then
    found = redis_report.report(seen, await redis_report.skew_s(execute))
    shards = await registry.shards(client, configured_shards)
    state = await status.fetch(client, configured_shards)
    return Bus(
        found,
        state,
        await registry.patterns(client, shards),
        await _last_events(client, shards, state.unusable),
        await registry.now_ms(client),
    )


async def _last_events(client: Redis, shards: Sequence[Keys], unusable: dict[str, str]) -> dict[str, int]:
    replies = await execute_all(client, [("SMEMBERS", shard.types) for shard in shards])
    places = [(name.decode(), shard) for shard, names in zip(shards, replies, strict=True) for name in names]
    commands = [("XINFO", "STREAM", shard.stream(name)) for name, shard in places]
    last: dict[str, int] = {}
    for (name, shard), reply in zip(places, await execute_all(client, commands, raises=False), strict=True):
        if not isinstance(reply, Exception):  # the stream may have vanished meanwhile
            info = dict(zip(reply[::2], reply[1::2], strict=True))
            if info[b"last-generated-id"] == LAST_ID:
                unusable[shard.stream(name)] = "its ids are used up: nothing can be stored there"
            last_ms = int(info[b"last-generated-id"].partition(b"-")[0])
            last[name] = max(last_ms, last.get(name, 0))
    return {name: last_ms for name, last_ms in last.items() if last_ms}
