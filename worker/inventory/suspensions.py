"""The suspended subscriptions in Redis: open circuit breakers, and holds by a handler. The duty `circuits` writes them.

One hash for all groups, so that one command reads them; a field is `group|pattern`.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from ...shared.connection import Redis
from ...shared.keys import HOME
from ...shared.undecodable import UNDECODABLE
from .lag import pairs

KEY: Final = HOME.suspended


class Opened(msgspec.Struct, frozen=True, tag="breaker"):
    """An open breaker. Times in Unix ms."""

    fingerprint: str
    """Of the last failure, as its dead letter would have it. For people: it has no effect."""
    error: str
    since_ms: int
    until_ms: int
    """When a delivery may probe; while one probes, when it counts as lost."""
    times: int = 1
    frame: str = ""
    """Line of the last failure, `path:line`; "" where it has none."""


class Held(msgspec.Struct, frozen=True, tag="hold"):
    """A subscription that its handler closed by `Hold` until `until_ms`, Unix ms."""

    error: str
    since_ms: int
    until_ms: int


Suspension = Opened | Held

encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Suspension).decode


def decode(stored: bytes) -> Suspension | None:
    """None for nothing, and for what cannot be read."""
    try:
        return _decode(stored) if stored else None
    except UNDECODABLE:
        return None


def field(group: str, pattern: str) -> str:
    """The field of a subscription. Neither name can contain the separator."""
    return f"{group}|{pattern}"


async def fetch(client: Redis) -> dict[str, dict[str, Suspension]]:
    """Return group → pattern → suspension. Raises RedisError, OSError."""
    return read(await client.execute_command("HGETALL", KEY))


def read(flat: Sequence[bytes]) -> dict[str, dict[str, Suspension]]:
    """As `fetch`, from the content of the hash."""
    found: dict[str, dict[str, Suspension]] = {}
    for name, stored in pairs(flat).items():
        group, _, pattern = name.partition("|")
        if (suspension := decode(stored)) is not None:
            found.setdefault(group, {})[pattern] = suspension
    return found


async def end(client: Redis, group: str, pattern: str) -> list[str]:
    """End suspensions at once, `*` for all of the group; returns their patterns. Raises RedisError, OSError."""
    chosen = [name for name in (await fetch(client)).get(group, {}) if pattern in ("*", name)]
    if chosen:
        await client.execute_command("HDEL", KEY, *(field(group, name) for name in chosen))
    return sorted(chosen)
