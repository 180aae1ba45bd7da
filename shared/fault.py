"""What keeps a Redis from being trusted, as values: by what it says of itself, and by what it refuses."""

from dataclasses import dataclass
from typing import Final, Literal

from redis.exceptions import AskError, AuthenticationError, NoPermissionError, RedisError, ResponseError

from .connection import refusal_code
from .server import Server

ACCESS: Final = "check user and password in redis_url, and the user's ACL"
"""What to do where Redis lets a user not in, or not do something."""

ONE_SERVER: Final = "point redis_url at one server that holds all keys; Cluster is not supported yet"
"""What to do where a node sends its clients to others."""

_REFUSED_IN_SCRIPT: Final = ("ACL failure in script", "The user executing the script can't")
"""How Redis 7.2 and 7.0 begin when a command inside of a script is refused."""

_IDS_USED_UP: Final = "exhausted the last possible ID"
"""What XADD says of a stream whose last id is the largest there is."""

UNKNOWN: Final = "unknown (CONFIG is refused)"

_FSYNC_NEEDS: Final = {"appendonly": "yes", "appendfsync": "always", "no-appendfsync-on-rewrite": "no"}
"""Settings without which a write may be answered before it is on the disk. The last suspends fsync during rewrites."""

Code = Literal["queue_unavailable", "overloaded", "not_durable"]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why no 200 can be given now, and what to do about it where that is known."""

    code: Code
    detail: str
    cure: str = ""


class UnhealthyError(RedisError):
    """Raised inside a greeting, so that no command follows on that connection."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(f"{fault.code}: {fault.detail}")
        self.fault = fault


def is_access_refused(error: Exception) -> bool:
    """Whether Redis refuses the user itself: its name, its password, or what its ACL does not allow."""
    # While it connects, redis-py hides the one class inside the other.
    refused = isinstance(error.__cause__ or error, AuthenticationError | NoPermissionError)
    return refused or str(error).startswith(_REFUSED_IN_SCRIPT)


def error_of(text: bytes) -> ResponseError:
    """The error that a script caught, as if it had come by itself."""
    return ResponseError(text.decode(errors="replace").removeprefix("ERR "))


def is_of_one_stream(error: Exception) -> bool:
    """Whether Redis refused an event because of the stream that it belongs to, and would take others."""
    return refusal_code(error) == "WRONGTYPE" or _IDS_USED_UP in str(error) or is_access_refused(error)


def fault_of(error: Exception) -> Fault:
    """The fault behind an error of a Redis call, told by the first word of Redis' own refusals."""
    if isinstance(error, UnhealthyError):
        return error.fault
    code = refusal_code(error)
    text = str(error) or type(error).__name__
    if is_access_refused(error):
        return Fault("queue_unavailable", f"{text.rstrip('.')}; {ACCESS}")
    if isinstance(error, AskError):  # MOVED too; redis-py takes the word off
        return Fault(
            "queue_unavailable", f"a node of a cluster: the slot of a key is on another one ({text})", ONE_SERVER
        )
    if code == "OOM":
        return Fault("overloaded", "Redis is out of memory")
    if code in ("MISCONF", "NOREPLICAS"):
        return Fault("not_durable", text)
    return Fault("queue_unavailable", text)


def judge(found: Server, durability: str) -> Fault | None:
    """The first thing that a server's state and configuration leave to be desired."""
    return next(iter(faults_of(found, durability)), None)


def faults_of(found: Server, durability: str) -> list[Fault]:
    """All of them, the gravest first."""
    faults = []
    if found.info.get("role") != "master":
        faults.append(Fault("queue_unavailable", "connected to a read-only replica", "point redis_url at the master"))
    if found.info.get("loading") == "1":
        cure = "wait until Redis has loaded its data"
        faults.append(Fault("queue_unavailable", "Redis is loading its data", cure))
    if found.eviction_policy != "noeviction":
        cure = "set maxmemory-policy noeviction: any other evicts whole streams when memory is short"
        actual = found.eviction_policy or UNKNOWN
        faults.append(Fault("not_durable", f"maxmemory-policy is {actual}, not noeviction", cure))
    return [*faults, *_faults_of_file(found)] if durability == "fsync" else faults


def _faults_of_file(found: Server) -> list[Fault]:
    """What keeps writes from the append-only file, or the file from the disk."""
    faults = []
    if found.info.get("aof_last_write_status", "ok") != "ok":
        faults.append(Fault("not_durable", "Redis can't write its append-only file", "look at Redis' disk and log"))
    for name, wanted in _FSYNC_NEEDS.items():
        actual = found.setting(name) or UNKNOWN
        if actual != wanted:
            cure = f'set {name} {wanted} in Redis, or choose durability = "memory" here'
            faults.append(Fault("not_durable", f"durability fsync needs {name} {wanted}; it is {actual}", cure))
    return faults
