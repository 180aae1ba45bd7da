"""A snapshot of the whole bus, for Prometheus: Redis itself, every group, and the last event of each type.

Costs Redis what `status` costs, one INFO, and one XINFO STREAM per type ever stored; nothing is scanned.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from ...shared import redis_report, server
from ...shared.connection import Redis, leave_server
from ...shared.keys import Keys
from ...shared.pipelined import execute_all
from ...shared.redis_report import RedisReport
from ..inventory import registry
from ..inventory.lag import pairs
from . import status
from .status import Status

LAST_ID: Final = b"%d-%d" % (2**64 - 1, 2**64 - 1)
"""After an entry with this id, which only a manual XADD creates, a stream accepts no other."""


class Bus(msgspec.Struct, frozen=True):
    """`last_event_ms`: type → when its last event was stored, Unix ms, even if it was trimmed since.

    `patterns`: group → its patterns. `stored`: type → how many events were ever stored. `now_ms` is Redis' time.
    """

    redis: RedisReport
    status: Status
    patterns: dict[str, frozenset[str]]
    last_event_ms: dict[str, int]
    stored: dict[str, int]
    now_ms: int


async def fetch(client: Redis, configured_shards: int) -> Bus:
    """Query the bus. Raises ConfigError, RedisError, OSError."""
    execute = client.execute_command
    server_info = await server.fetch(execute)
    if server_info.info.get("role") != "master":
        leave_server(
            client
        )  # a replica's data may be old; the next query connects to the current target of the address
    redis = redis_report.report(server_info, await redis_report.skew_s(execute))
    shards = await registry.shards(client, configured_shards)
    state = await status.fetch(client, configured_shards)
    patterns = await registry.patterns(client, shards)
    last_event_ms, stored = await _of_streams(client, shards, state.unusable)
    return Bus(redis, state, patterns, last_event_ms, stored, await registry.now_ms(client))


async def _of_streams(
    client: Redis, shards: Sequence[Keys], unusable: dict[str, str]
) -> tuple[dict[str, int], dict[str, int]]:
    replies = await execute_all(client, [("SMEMBERS", shard.types) for shard in shards])
    places = [(name.decode(), shard) for shard, names in zip(shards, replies, strict=True) for name in names]
    commands = [("XINFO", "STREAM", shard.stream(name)) for name, shard in places]
    last: dict[str, int] = {}
    stored: dict[str, int] = {}
    for (name, shard), reply in zip(places, await execute_all(client, commands, raises=False), strict=True):
        if not isinstance(reply, Exception):  # the stream may have vanished meanwhile
            info = pairs(reply)
            if info["last-generated-id"] == LAST_ID:
                unusable[shard.stream(name)] = "its ids are used up: it accepts no more events"
            last_ms = int(info["last-generated-id"].partition(b"-")[0])
            last[name] = max(last_ms, last.get(name, 0))
            stored[name] = stored.get(name, 0) + info["entries-added"]
    return {name: last_ms for name, last_ms in last.items() if last_ms}, stored
