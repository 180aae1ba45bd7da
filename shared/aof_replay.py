"""Whether Redis would restore the writes of scripts from its append-only file at a restart.

Servers without the fix replay the writes of a script as the user `default`, and drop all of them if its ACL forbids one
of the commands, even where nobody can log in as `default`: seen with Redis 7.0.15 and 8.2.3 and Valkey 9.0 to 9.1.1,
fixed in Valkey 9.1.2. Every event is written by a script.
"""

from collections.abc import Mapping
from typing import Final

from redis.exceptions import ResponseError

from .connection import Execute
from .finding import Finding
from .keys import META, Keys
from .settings import EXIT_CONFIG

FIXED_IN: Final = (9, 1, 2)
"""First Valkey that replays regardless of what `default` may do. Of other servers no version is trusted."""
_SHARD: Final = Keys(0)
WRITES: Final = (
    ("XADD", _SHARD.stream("response.completed"), "*", "id", "1"),
    ("SADD", _SHARD.types, "response.completed"),
    ("SADD", _SHARD.seen(0), "1"),
    ("PEXPIREAT", _SHARD.seen(0), "1"),
    ("UNLINK", _SHARD.seen(0)),
    ("XACK", _SHARD.stream("response.completed"), "billing", "0-1"),
    ("XGROUP", "CREATE", _SHARD.stream("response.completed"), "billing", "0"),
    ("HSET", _SHARD.dead_data("billing"), "1", "1"),
    ("ZADD", _SHARD.delayed("billing"), "1", "1"),
    ("HSET", META, "layout", "1"),
    ("HSETNX", _SHARD.meta, "layout", "1"),
)
"""Examples of the writes of scripts: each kind, and each family of keys."""
CURE: Final = (
    "before Redis restarts: ACL SETUSER default off resetchannels ~* &* +@all, and the same in its ACL file (the user "
    "stays off, so nobody can log in as it)"
)


async def examine(execute: Execute, info: Mapping[str, str]) -> list[Finding]:
    """Findings about the replay of scripts, none when it is safe. Raises RedisError, OSError."""
    if _version(info) >= FIXED_IN:
        return []
    refused = await _refused(execute)
    if refused is None:
        problem = "it is unknown whether Redis would restore events at a restart: this user may not run ACL DRYRUN"
        return [Finding(0, "restart_unknown", problem, f"allow the user acl|dryrun; or to be safe, {CURE}")]
    if refused:
        problem = f"Redis may drop every event at its next restart, since its user default may not write: {refused}"
        return [Finding(EXIT_CONFIG, "restart_loses_data", problem, CURE)]
    return []


async def _refused(execute: Execute) -> str | None:
    """Redis' first refusal to the user `default`, "" for none; None if this user may not run ACL DRYRUN."""
    for command in WRITES:
        try:
            reply = await execute("ACL", "DRYRUN", "default", *command)
        except ResponseError:
            return None
        if reply != b"OK":
            return str(reply.decode(errors="replace"))
    return ""


def _version(info: Mapping[str, str]) -> tuple[int, ...]:
    """The version of a Valkey server; (0,) for others."""
    parts = info.get("valkey_version", "0").split(".")
    return tuple(int(part) for part in parts if part.isdigit())
