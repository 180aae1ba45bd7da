"""Reasons not to trust a Redis, as values: from its state and configuration, and from the errors that it returns."""

from typing import Final, Literal

import msgspec
from redis.exceptions import AskError, AuthenticationError, NoPermissionError, RedisError, ResponseError

from .connection import refusal_code
from .server import Server

ACCESS: Final = "check user and password in redis_url, and load the ACL of this release (deploy/redis)"
"""The remedy when Redis refuses a user or its command."""

ONE_SERVER: Final = "point redis_url at one server that holds all keys; Cluster is not supported yet"
"""The remedy when a node redirects its clients to others."""

_REFUSED_IN_SCRIPT: Final = ("ACL failure in script", "The user executing the script can't")
"""How the errors of Redis 7.2 and 7.0 begin when the ACL refuses a command inside a script."""

_IDS_USED_UP: Final = "exhausted the last possible ID"
"""In XADD's error for a stream whose last id is the largest possible."""

UNKNOWN: Final = "unknown (CONFIG is refused)"

_FSYNC_NEEDS: Final = {"appendonly": "yes", "appendfsync": "always", "no-appendfsync-on-rewrite": "no"}
"""Settings without which Redis may reply before a write is on disk. The last one suspends fsync during rewrites."""

Code = Literal["queue_unavailable", "overloaded", "not_durable"]


class Fault(msgspec.Struct, frozen=True):
    """Why ingest cannot return 200 now, and the remedy if it is known."""

    code: Code
    detail: str
    cure: str = ""


class UnhealthyError(RedisError):
    """Raised while a connection is set up, so that no command follows on it."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(f"{fault.code}: {fault.detail}")
        self.fault = fault


def is_access_refused(error: Exception) -> bool:
    """Whether Redis refuses the user: its name, its password, or a command or key that its ACL forbids."""
    # During connect, redis-py wraps the specific class in another error.
    refused = isinstance(error.__cause__ or error, AuthenticationError | NoPermissionError)
    return refused or str(error).startswith(_REFUSED_IN_SCRIPT)


def error_of(text: bytes) -> ResponseError:
    """The error that a script caught, as if a command had raised it."""
    return ResponseError(text.decode(errors="replace").removeprefix("ERR "))


def is_of_one_stream(error: Exception) -> bool:
    """Whether Redis refused an event because of its stream, and would accept events of other streams."""
    return refusal_code(error) == "WRONGTYPE" or _IDS_USED_UP in str(error) or is_access_refused(error)


def fault_of(error: Exception) -> Fault:
    """The fault behind an error of a Redis call, by the first word of Redis' error replies."""
    if isinstance(error, UnhealthyError):
        return error.fault
    code = refusal_code(error)
    text = str(error) or type(error).__name__
    if is_access_refused(error):
        return Fault("queue_unavailable", f"{text.rstrip('.')}; {ACCESS}")
    if isinstance(error, AskError):  # MOVED too; redis-py strips the first word
        return Fault("queue_unavailable", f"a cluster node: the slot of a key is on another node ({text})", ONE_SERVER)
    if code == "OOM":
        return Fault("overloaded", "Redis is out of memory")
    if code in ("MISCONF", "NOREPLICAS"):
        return Fault("not_durable", text)
    return Fault("queue_unavailable", text)


def judge(server: Server, durability: str) -> Fault | None:
    """The gravest fault in a server's state and configuration, None for a healthy server."""
    return next(iter(faults_of(server, durability)), None)


def faults_of(server: Server, durability: str) -> list[Fault]:
    """All faults in a server's state and configuration, the gravest first."""
    faults = []
    if server.info.get("role") != "master":
        faults.append(Fault("queue_unavailable", "connected to a read-only replica", "point redis_url at the master"))
    if server.info.get("loading") == "1":
        cure = "wait until Redis has loaded its data"
        faults.append(Fault("queue_unavailable", "Redis is loading its data", cure))
    if server.eviction_policy != "noeviction":
        cure = "set maxmemory-policy noeviction: any other evicts whole streams when memory is short"
        actual = server.eviction_policy or UNKNOWN
        faults.append(Fault("not_durable", f"maxmemory-policy is {actual}, not noeviction", cure))
    return [*faults, *_faults_of_file(server)] if durability == "fsync" else faults


def _faults_of_file(server: Server) -> list[Fault]:
    """The faults that keep writes from the append-only file, or the file from the disk."""
    faults = []
    if server.info.get("aof_last_write_status", "ok") != "ok":
        faults.append(Fault("not_durable", "Redis can't write its append-only file", "look at Redis' disk and log"))
    for name, required in _FSYNC_NEEDS.items():
        actual = server.setting(name) or UNKNOWN
        if actual != required:
            cure = f'set {name} {required} in Redis, or choose durability = "memory" here'
            faults.append(Fault("not_durable", f"durability fsync needs {name} {required}; it is {actual}", cure))
    return faults
