"""Stores a dummy event as a post does, to detect whether Redis would store a real one, and if not, why.

Costs Redis one call of `enqueue.lua` a shard. The call writes and then deletes, so that a WAITAOF after it has a write
to wait for.
"""

import contextlib
import re

from redis.exceptions import ResponseError

from ..shared import clock, scripts
from ..shared.connection import FAULTS, Execute, refusal_code
from ..shared.dedupe import DAY_MS
from ..shared.fault import ACCESS, Fault, UnhealthyError, error_of, fault_of, is_access_refused
from ..shared.keys import Keys
from ..shared.scripts import ENQUEUE
from . import commit

_LINE = re.compile(r"on @?user_script:(\d+)")
_COMMAND = re.compile(r"redis\.p?call\('(\w+)'")
XADD = "XADD"
CURE = "grant the user what deploy/redis/users.rules grants ingest's, and rename none of the commands in it"


async def rehearse(execute: Execute, shards: int, days: int, *, loads: bool = False) -> None:
    """Store a dummy event in each shard. Raises UnhealthyError, which names the command, RedisError, OSError.

    `loads`: load the script even if Redis has it cached; after a failover it will not.
    """
    if loads:
        await _try(execute, "SCRIPT", "LOAD", ENQUEUE.source)
    for shard in map(Keys, range(shards)):
        call = commit.trial(shard, clock.now_ms() // DAY_MS, days)
        try:
            _, error = await scripts.run_by(execute, call)
        except ResponseError as refused:
            with contextlib.suppress(*FAULTS):
                await execute("UNLINK", shard.seen(0))
            raise UnhealthyError(_fault(refused, _command_of(refused), shard)) from refused
        caught = error_of(error)
        if refusal_code(caught) != "WRONGTYPE":  # the expected end of a trial
            raise UnhealthyError(_fault(caught, XADD, shard))


async def _try(execute: Execute, *command: str) -> None:
    try:
        await execute(*command)
    except ResponseError as error:
        raise UnhealthyError(_fault(error, " ".join(command[:2]), Keys(0))) from error


def _command_of(error: ResponseError) -> str:
    """The refused command: that of the script line in the error, else the call of the script itself."""
    match = _LINE.search(str(error))
    if match is None:
        return "SCRIPT LOAD" if "script|load" in str(error) or "'SCRIPT'" in str(error) else "EVALSHA"
    line = ENQUEUE.source.splitlines()[int(match[1]) - 1]
    command = _COMMAND.search(line)
    return command[1] if command else "EVALSHA"


def _fault(error: ResponseError, command: str, shard: Keys) -> Fault:
    text = str(error).partition(", with args")[0]
    if refusal_code(error) == "WRONGTYPE":
        detail = f"{shard.types} or a {shard.seen(0).removesuffix('0')}… is not a set: {text}"
        return Fault("queue_unavailable", detail, "find out what wrote it (TYPE shows its type), and rename it")
    detail = f"no event can be stored: {command} is refused ({text.rstrip('.')})"
    if is_access_refused(error):
        return Fault("queue_unavailable", f"{detail}; {ACCESS}", CURE)
    if "nknown " in text:  # "unknown command", in scripts "Unknown Redis command"
        return Fault("queue_unavailable", detail, CURE)
    return fault_of(error)
