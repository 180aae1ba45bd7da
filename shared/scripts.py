"""The Lua scripts, loaded from `lua/`, and the one way to run them.

A server caches a script under its SHA-1 until a restart, a failover or SCRIPT FLUSH, so every call may fail with
NOSCRIPT: then the script has not run, and it is loaded and called again.
Nothing else is retried here: only the caller can decide whether to repeat a call whose reply was lost.
"""

import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from redis.exceptions import NoScriptError

from .connection import Execute, Redis
from .pipelined import execute_all
from .raw_connection import RawConnection

_FOLDER: Final = Path(__file__).with_name("lua")

Argument = str | bytes | int


class Script(msgspec.Struct, frozen=True):
    """One `.lua` file. Its header documents KEYS, ARGV and the result."""

    name: str
    source: str
    sha: str

    def __repr__(self) -> str:
        return f"Script({self.name!r})"

    @classmethod
    def load(cls, name: str) -> "Script":
        """Read `lua/<name>.lua`."""
        return cls.of(name, (_FOLDER / f"{name}.lua").read_text("utf-8"))

    @classmethod
    def of(cls, name: str, source: str) -> "Script":
        """The script with this source."""
        return cls(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


@functools.cache
def past_the_limit(script: Script) -> Script:
    """The same script, which Redis runs even when `maxmemory` is reached.

    For steps that free memory or on which such steps depend: https://valkey.io/topics/lua-api/, "Script flags".
    """
    return Script.of(script.name, f"#!lua flags=allow-oom\n{script.source}")


@functools.cache
def of_the_same(script: Script) -> Script:
    """The same script for an entry that was read in an earlier term: `same.lua` is its prefix."""
    return after(script, SAME)


def after(script: Script, *prefixes: Script) -> Script:
    """A script with those before it that define what it uses."""
    return Script.of(script.name, "".join(each.source for each in (*prefixes, script)))


SAME: Final = Script.load("same")
SETTLE: Final = Script.load("settle")
LETTER: Final = Script.load("letter")
HELD: Final = Script.load("held")
ACK: Final = after(Script.load("ack"), SETTLE)
RECOVER: Final = after(Script.load("recover"), SETTLE)
ENQUEUE: Final = Script.load("enqueue")
PARK: Final = after(Script.load("park"), SETTLE)
# A redelivery takes less memory than a parked one; and if retries fill the memory, only running them frees it.
PROMOTE: Final = past_the_limit(Script.load("promote"))
DEAD_LETTER: Final = after(Script.load("dead_letter"), SETTLE, LETTER)
DROP: Final = Script.load("drop")
RESTORE: Final = Script.load("restore")
REMOVE_LETTER: Final = Script.load("remove_letter")
WITHDRAW: Final = after(Script.load("withdraw"), SETTLE, LETTER)
WITHDRAW_PARKED: Final = after(Script.load("withdraw_parked"), LETTER)
# If retries fill the memory, only running them frees it.
HASTEN: Final = past_the_limit(Script.load("hasten"))
# Without liveness keys, takeovers, handovers and quarantine, deliveries would wait for memory that only they can free.
RENEW: Final = past_the_limit(Script.load("renew"))
LAPSE: Final = Script.load("lapse")
TAKEOVER: Final = past_the_limit(Script.load("takeover"))
QUARANTINE: Final = past_the_limit(Script.load("quarantine"))
RELIST: Final = past_the_limit(Script.load("relist"))
JOIN: Final = past_the_limit(Script.load("join"))
RELEASE: Final = past_the_limit(Script.load("release"))
RETIRE: Final = Script.load("retire")
UNJOIN: Final = Script.load("unjoin")
FORGET: Final = Script.load("forget")
ENTER: Final = Script.load("enter")
REPLAY: Final = Script.load("replay")
SWEEP: Final = after(Script.load("sweep"), HELD)
TRIM: Final = after(Script.load("trim"), HELD)
# Only the holder of the lease trims, which is what a full Redis needs.
LEASE: Final = past_the_limit(Script.load("lease"))
# A worker must be able to start in a full Redis, to free memory.
FILL: Final = past_the_limit(Script.load("fill"))
ADVANCE: Final = past_the_limit(Script.load("advance"))
CARRY: Final = past_the_limit(Script.load("carry"))
# A breaker must open and probe, a hold and a pause begin, in a full Redis too: what they keep back fills the memory.
SWAP: Final = past_the_limit(Script.load("swap"))
PAUSE: Final = past_the_limit(Script.load("pause"))
TALLY: Final = Script.load("tally")
# An action must be possible in a full Redis, to free memory.
RECORD: Final = past_the_limit(Script.load("record"))
# A process that lives must not look dead in a full Redis.
REPLACE: Final = past_the_limit(Script.load("replace"))


class Call(msgspec.Struct, frozen=True):
    """A script with its keys and arguments, ready to be sent."""

    script: Script
    keys: Sequence[str]
    args: Sequence[Argument]

    def command(self) -> tuple[Argument, ...]:
        """The EVALSHA command."""
        return ("EVALSHA", self.script.sha, len(self.keys), *self.keys, *self.args)


async def run(client: Redis | RawConnection, call: Call) -> Any:
    """Run one script and return its result. Raises RedisError."""
    return await run_by(client.execute_command, call)


async def run_by(execute: Execute, call: Call) -> Any:
    """As `run`, on one connection."""
    try:
        return await execute(*call.command())
    except NoScriptError:
        await execute("SCRIPT", "LOAD", call.script.source)
        return await execute(*call.command())


async def run_all(client: Redis, calls: Sequence[Call]) -> list[Any]:
    """Run scripts in one round trip; results in order, a failed call's exception in its place.

    Raises ConnectionError or TimeoutError if the replies were lost: then each call may or may not have run.
    """
    results = await execute_all(client, [call.command() for call in calls], raises=False)
    missing = [i for i, result in enumerate(results) if isinstance(result, NoScriptError)]
    if missing:
        for script in {calls[i].script for i in missing}:
            await client.script_load(script.source)
        repeated = await execute_all(client, [calls[i].command() for i in missing], raises=False)
        for i, result in zip(missing, repeated, strict=True):
            results[i] = result
    return results
