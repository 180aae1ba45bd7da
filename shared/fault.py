"""What keeps a Redis from being trusted, as values: by what it says of itself, and by what it refuses."""

from dataclasses import dataclass
from typing import Literal

from redis.exceptions import RedisError

from shared.connection import refusal_code
from shared.server import Server

Code = Literal["queue_unavailable", "overloaded", "not_durable"]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why no 200 can be given now."""

    code: Code
    detail: str


class UnfitError(RedisError):
    """Raised inside a greeting, so that no command follows on that connection."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(f"{fault.code}: {fault.detail}")
        self.fault = fault


def fault_of(error: Exception) -> Fault:
    """The fault behind an error of a Redis call, told by the first word of Redis' own refusals."""
    if isinstance(error, UnfitError):
        return error.fault
    code = refusal_code(error)
    text = str(error) or type(error).__name__
    if code == "OOM":
        return Fault("overloaded", "Redis is out of memory")
    if code in ("MISCONF", "NOREPLICAS"):
        return Fault("not_durable", text)
    return Fault("queue_unavailable", text)


def judge(found: Server, durability: str) -> Fault | None:
    """What a server's state and configuration leave to be desired."""
    if found.info.get("role") != "master":
        return Fault("queue_unavailable", "connected to a read-only replica")
    if found.info.get("loading") == "1":
        return Fault("queue_unavailable", "Redis is loading its data")
    if found.eviction_policy != "noeviction":
        return Fault("not_durable", f"maxmemory-policy is {found.eviction_policy or 'unknown'}, not noeviction")
    if durability == "fsync":
        if found.info.get("aof_last_write_status", "ok") != "ok":
            return Fault("not_durable", "Redis can't write its append-only file")
        for name, wanted in (("appendonly", "yes"), ("appendfsync", "always")):
            if found.setting(name) != wanted:
                actual = found.setting(name) or "unknown (CONFIG is refused)"
                return Fault("not_durable", f"durability fsync needs {name} {wanted}; it is {actual}")
    return None
