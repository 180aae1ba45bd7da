"""Whether Redis would read back at a restart what scripts wrote.

Redis before its fix runs what an append-only file holds of a script as the user `default`, and drops all of it where an
ACL forbids that user something, though nobody may come in as it: seen with Redis 7.0.15 and 8.2.3 and Valkey 9.0 to
9.1.1, mended in Valkey 9.1.2. Every event is written by a script.
"""

from collections.abc import Mapping
from typing import Final

from redis.exceptions import ResponseError

from .connection import Execute
from .finding import Finding
from .keys import META, Keys
from .settings import EXIT_CONFIG

MENDED: Final = (9, 1, 2)
"""First Valkey that reads it back whoever `default` is. Of other servers no version is trusted."""
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
)
"""Of what scripts write, some of each kind and of each family of keys."""
CURE: Final = (
    "before Redis restarts: ACL SETUSER default off resetchannels ~* &* +@all, and the same in its ACL file (nobody "
    "gets in by that: it is off)"
)


async def examine(execute: Execute, info: Mapping[str, str]) -> list[Finding]:
    """What is to be said of it, nothing where all is well. Raises RedisError, OSError."""
    if _version(info) >= MENDED:
        return []
    refused = await _refused(execute)
    if refused is None:
        problem = (
            "whether Redis reads back at a restart what scripts wrote is unknown: ACL DRYRUN is refused to this user"
        )
        return [Finding(0, "restart_unknown", problem, f"let the user run acl|dryrun; or see to it, {CURE}")]
    if refused:
        problem = (
            f"at its next restart Redis may drop every event, as its user default is forbidden to write: {refused}"
        )
        return [Finding(EXIT_CONFIG, "restart_loses_data", problem, CURE)]
    return []


async def _refused(execute: Execute) -> str | None:
    """What the user `default` is refused, "" for nothing; None where that is not to be learnt."""
    for command in WRITES:
        try:
            answer = await execute("ACL", "DRYRUN", "default", *command)
        except ResponseError:
            return None
        if answer != b"OK":
            return str(answer.decode(errors="replace"))
    return ""


def _version(info: Mapping[str, str]) -> tuple[int, ...]:
    """Of a Valkey; (0,) for others."""
    parts = info.get("valkey_version", "0").split(".")
    return tuple(int(part) for part in parts if part.isdigit())
