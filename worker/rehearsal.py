"""Calls each command that a worker uses once, without effect, to check that Redis permits it.

Reads use keys that do not exist, streams are not created, and writes go to one scratch key that is deleted again. An
error that only an executed command returns (no such group, no such script) proves the permission.
"""

from typing import Final

from redis.exceptions import NoPermissionError, ResponseError

from ..shared import scripts
from ..shared.connection import Execute
from ..shared.fault import ACCESS, Fault, UnhealthyError, fault_of
from ..shared.keys import META, Keys

SHARD: Final = Keys(0)
NOBODY: Final = "hookbus.trial"
"""The name of a type and a group that do not exist: `hookbus.` is reserved for hookbus itself."""
STREAM: Final = SHARD.stream(NOBODY)
SCRATCH: Final = SHARD.dead_fingerprint(NOBODY, "trial")
NO_SCRIPT: Final = "0" * 40
CURE: Final = (
    "give the user the permissions of the worker in deploy/redis/users.rules, and rename none of the commands there"
)

READS: Final = (
    f"HMGET {META} layout",
    f"XLEN {STREAM}",
    f"XRANGE {STREAM} - +",
    f"XREVRANGE {STREAM} + -",
    f"XPENDING {STREAM} {NOBODY}",
    f"XINFO GROUPS {STREAM}",
    f"XINFO CONSUMERS {STREAM} {NOBODY}",
    f"XINFO STREAM {STREAM}",
    f"EXISTS {SCRATCH}",
    f"MGET {SCRATCH}",
    f"PTTL {SHARD.seen(0)}",
    f"HGET {SCRATCH} f",
    f"HGETALL {SCRATCH}",
    f"HKEYS {SCRATCH}",
    f"HEXISTS {SCRATCH} f",
    f"SMEMBERS {SCRATCH}",
    f"SCARD {SCRATCH}",
    f"ZCARD {SCRATCH}",
    f"ZCOUNT {SCRATCH} 0 1",
    f"ZRANGE {SCRATCH} 0 1",
    f"ZRANGEBYSCORE {SCRATCH} 0 1",
    f"ZSCORE {SCRATCH} m",
    "TIME",
    f"MEMORY USAGE {SCRATCH}",
)
WRITES: Final = (
    f"XADD {STREAM} NOMKSTREAM * f v",
    f"XREADGROUP GROUP {NOBODY} c COUNT 1 STREAMS {STREAM} >",
    f"XACK {STREAM} {NOBODY} 0-1",
    f"XDEL {STREAM} 0-1",
    f"XTRIM {STREAM} MAXLEN 0",
    f"XCLAIM {STREAM} {NOBODY} c 0 0-1",
    f"XGROUP CREATE {STREAM} {NOBODY} 0",
    f"XGROUP DELCONSUMER {STREAM} {NOBODY} c",
    "CLIENT UNBLOCK 0",
    f"EVALSHA {NO_SCRIPT} 1 {SCRATCH}",
    f"SET {SCRATCH} v",
    f"DEL {SCRATCH}",
    f"HSET {SCRATCH} f 1",
    f"HSETNX {SCRATCH} f 1",
    f"HINCRBY {SCRATCH} f 1",
    f"HDEL {SCRATCH} f",
    f"EXPIRE {SCRATCH} 1",
    f"UNLINK {SCRATCH}",
    f"SADD {SCRATCH} m",
    f"SREM {SCRATCH} m",
    f"DEL {SCRATCH}",
    f"ZADD {SCRATCH} 1 m",
    f"ZREM {SCRATCH} m",
    f"ZREMRANGEBYSCORE {SCRATCH} 0 1",
    f"UNLINK {SCRATCH}",
)
FAMILIES: Final = (
    SHARD.groups,
    SHARD.patterns,
    SHARD.types,
    SHARD.worked,
    SHARD.losses,
    SHARD.dead(NOBODY),
    SHARD.recovered(NOBODY),
    SHARD.delayed(NOBODY),
    SHARD.due,
    SHARD.consumers(NOBODY),
    SHARD.alive(NOBODY),
    SHARD.expiries,
    SHARD.deaths(NOBODY),
    SHARD.paused,
    SHARD.suspended,
    SHARD.chores,
    SHARD.redelivery(NOBODY, NOBODY),
    SHARD.redeliveries,
)


async def rehearse(execute: Execute) -> None:
    """Call all commands. Raises UnhealthyError with the names of the refused ones, RedisError, OSError."""
    commands = [tuple(text.split(" ")) for text in (*READS, *WRITES)]
    commands.append(("SCRIPT", "LOAD", scripts.JOIN.source))
    refused = [name for command in commands if (name := await _refused(execute, command))]
    forbidden = [key for key in FAMILIES if await _refused(execute, ("EXISTS", key))] if not refused else []
    if refused or forbidden:
        names = ", ".join(dict.fromkeys([*refused, *forbidden]))
        raise UnhealthyError(Fault("queue_unavailable", f"Redis refuses what a worker needs: {names}; {ACCESS}", CURE))


async def _refused(execute: Execute, command: tuple[str, ...]) -> str:
    """The name of a command that Redis refuses to this user, else "". Raises RedisError, OSError."""
    try:
        await execute(*command)
    except NoPermissionError:
        return _name(command)
    except ResponseError as error:
        if str(error).lower().startswith(("unknown command", "unknown subcommand")):
            return _name(command)
        if fault_of(error).code != "queue_unavailable":  # out of memory, not durable
            raise
    return ""


def _name(command: tuple[str, ...]) -> str:
    return " ".join(command[:2]) if command[0] in ("XGROUP", "XINFO", "SCRIPT", "CLIENT", "MEMORY") else command[0]
