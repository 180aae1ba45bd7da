"""Which keys several sources accept: who holds one could sign as each of them, so only sources of one sender may share.

Keys are compared decoded, as they sign: `whsec_` and base64, padded or not, and raw bytes may be the same key. Pure.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from .prefixes import Owner

_BLOCK_BYTES: Final = 64
"""Of SHA-256. HMAC hashes a longer key, and fills up a shorter one with zeros (RFC 2104)."""


class Use(NamedTuple):
    """A key that a source accepts, and where it is configured."""

    key: bytes
    owner: Owner
    where: str


class Shared(NamedTuple):
    """Two uses of one key."""

    first: Use
    later: Use

    @property
    def sources(self) -> set[str]:
        """The names of the sources: one of them if it has the key twice."""
        return {self.first.owner.name, self.later.owner.name}

    @property
    def is_allowed(self) -> bool:
        """Whether nobody can speak for another by it: both are of one source, or OpenAI's with the same types."""
        first, later = self.first.owner, self.later.owner
        may_share = first.is_openai and later.is_openai and first.prefix == later.prefix
        return may_share or first.name == later.name

    def __str__(self) -> str:
        return f"{self.later.where}: the same key as {self.first.where}"


def as_hmac(key: bytes) -> bytes:
    """The same bytes for all keys that sign alike."""
    return (hashlib.sha256(key).digest() if len(key) > _BLOCK_BYTES else key).rstrip(b"\0")


def shared(uses: Iterable[Use]) -> Iterator[Shared]:
    """Each further use of a key, with its first one."""
    first: dict[bytes, Use] = {}
    for use in uses:
        if (other := first.setdefault(use.key, use)) is not use:
            yield Shared(other, use)


def forgeable(uses: Iterable[Use]) -> list[Shared]:
    """The keys by which one sender could speak for another."""
    return [each for each in shared(uses) if not each.is_allowed]


def problem(each: Shared) -> str:
    """What is wrong with such a key, and what to do."""
    return f"{each}: each could speak for the other; give each sender a key of its own"
