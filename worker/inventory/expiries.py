"""When the consumers of a shard fall silent: a hint that spares takeovers the question who has died.

One sorted set for all of them: a consumer → when its liveness key expires, which `renew.lua` puts off, and
`group|handover` → when deliveries were last left there. Whether a consumer is alive, its liveness key alone decides.

The life of a hint: each renewal of the liveness key puts it off. Once its time has come, every look has it. A takeover
that does not know it (`news`) does a round: it asks for the liveness keys, and knows the hint from then on, until its
time changes. A lost hint costs time alone: takeovers do a round once a minute all the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ...shared.clock import now_ms
from ...shared.keys import HANDOVER, Keys
from ...shared.raw_connection import Command
from ...shared.scripts import LAPSE, Call
from .lag import pairs
from .suspensions import field

ANY_MS: Final = 2**31
"""Longer than any liveness key lasts."""
KEPT_MS: Final = 600_000
"""How long a consumer that fell silent is remembered here. Each worker learns of it within seconds, and those of its
groups remember it for as long as it holds anything."""


def handover(group: str) -> str:
    """The member for the handover of a group."""
    return field(group, HANDOVER)


def query(keys: Keys, until_ms: int) -> Command:
    """The command that reads whose liveness key expires by then."""
    return ("ZRANGEBYSCORE", keys.expiries, "-inf", until_ms, "WITHSCORES")


def read(flat: Sequence[bytes]) -> dict[str, float]:
    """The reply of `query`: member → Unix ms."""
    return {member: float(ms) for member, ms in pairs(flat).items()}


def lapse(keys: Keys, consumer: str, at_most_ms: int = ANY_MS) -> Call:
    """The script call that ends a consumer's liveness key, unless more than `at_most_ms` of it are left."""
    return Call(LAPSE, (keys.alive(consumer), keys.expiries), (at_most_ms, consumer, now_ms()))


def announce(keys: Keys, consumers: Iterable[str]) -> Command:
    """The command that lets every takeover ask about consumers, unless they are alive."""
    return ("ZADD", keys.expiries, "GT", *(word for name in consumers for word in (now_ms(), name)))


def news(expired: Mapping[str, float], known: Mapping[str, float], group: str) -> bool:
    """Whether anyone expired of whom a group does not know yet: any consumer, or its own handover."""
    own = handover(group)
    return any(known.get(name) != ms and ("|" not in name or name == own) for name, ms in expired.items())
