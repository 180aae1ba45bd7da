"""The parts of the data that layout 2 keeps in another place or shape, and for each the script calls that move it.

Pure.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from ...shared.keys import HOME, Keys
from ...shared.scripts import CARRY, Call
from ...shared.undecodable import UNDECODABLE
from ..inventory import suspensions
from ..inventory.pauses import Paused
from ..inventory.suspensions import Opened, field
from .old_keys import OldKeys


@dataclass(frozen=True, slots=True)
class Part:
    """An old hash of a group. `calls` returns from its fields what moves them."""

    key: str
    calls: Callable[[Mapping[str, bytes]], list[Call]]


class _OldBreaker(msgspec.Struct, frozen=True):
    """An open breaker of layout 1. Its prober is gone with the workers: the next delivery after `try_ms` probes."""

    fingerprint: str
    error: str
    since_ms: int
    try_ms: int
    times: int = 1
    frame: str = ""


_decode_breaker: Final = msgspec.json.Decoder(_OldBreaker).decode


def parts(shards: Sequence[Keys], groups: Sequence[str]) -> list[Part]:
    """All parts."""
    return [
        *(_pauses(OldKeys(shard), group) for shard in shards for group in groups),
        *(_breakers(OldKeys(HOME), group) for group in groups),
    ]


def _pauses(old: OldKeys, group: str) -> Part:
    """A pause was a time, and is a record beside those of all groups; in layout 1 all were an operator's."""
    key = old.paused(group)

    def calls(fields: Mapping[str, bytes]) -> list[Call]:
        return [
            Call(CARRY, (key, old.new.paused), (name, stored, field(group, name), _pause(stored)))
            for name, stored in fields.items()
        ]

    return Part(key, calls)


def _breakers(old: OldKeys, group: str) -> Part:
    """The open breakers of all groups are in one hash."""
    key = old.breakers(group)

    def calls(fields: Mapping[str, bytes]) -> list[Call]:
        return [
            Call(CARRY, (key, HOME.suspended), (name, stored, field(group, name), _breaker(stored)))
            for name, stored in fields.items()
        ]

    return Part(key, calls)


def _pause(stored: bytes) -> bytes:
    """The record of a pause. One whose time cannot be read is a pause nevertheless."""
    return msgspec.json.encode(Paused(int(stored) if stored.isdigit() else 0))


def _breaker(stored: bytes) -> bytes:
    """The record of an open breaker; b"" for one that cannot be read: it opens again if the failures go on."""
    try:
        old = _decode_breaker(stored)
    except UNDECODABLE:
        return b""
    return suspensions.encode(Opened(old.fingerprint, old.error, old.since_ms, old.try_ms, old.times, old.frame))
