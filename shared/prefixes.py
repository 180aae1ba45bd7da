"""Prefixes of event types: every source but OpenAI's has its own, so that no sender can speak for another.

Streams, patterns and handlers go by the type alone. So a stored type belongs to one source: to the one whose prefix it
begins with, and without a prefix to OpenAI's. The types that a source without a prefix may not send are checked when it
sends them.
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from . import keys
from .events import BY_TYPE

MAX_CHARS: Final = 64
"""Half of the longest type; the other half is for the sender's own."""
OPENAIS: Final = tuple(sorted({name.partition(".")[0] + "." for name in BY_TYPE}))
"""How OpenAI's types begin, also those that it will add: `response.` and so on."""


class Owner(NamedTuple):
    """A source as the owner of types."""

    name: str
    prefix: str
    is_openai: bool
    is_default: bool = False
    """Whether the prefix follows from name and scheme."""


def problems(owners: list[Owner]) -> list[str]:
    """What is wrong with the prefixes of all sources, one line each that says what to write."""
    found = [f"{_key(owner)}: {_shown(owner)} {problem}" for owner in owners if (problem := _problem(owner))]
    return found or list(_clashes(owners))


def foreign(owner: Owner, owners: Iterable[Owner]) -> tuple[str, ...]:
    """The prefixes of all other sources."""
    return tuple(each.prefix for each in owners if each.prefix and each.name != owner.name)


def refusal(own: str, owner: Owner, foreign: tuple[str, ...]) -> str:
    """Why a source may not send a type that it names `own`, "" if it may."""
    if own.startswith(keys.RESERVED):
        return "is one of hookbus's own"
    if owner.prefix:
        return ""
    if own.startswith(foreign):
        return "begins with the prefix of another source"
    return "begins as OpenAI's types do" if not owner.is_openai and own.startswith(OPENAIS) else ""


def _shown(owner: Owner) -> str:
    return f"{owner.prefix!r}" + (", from the name of the source," if owner.is_default else "")


def _key(owner: Owner) -> str:
    return f"ingest.sources.{owner.name}.prefix"


def _problem(owner: Owner) -> str:
    prefix = owner.prefix
    if not prefix:
        return ""
    if not prefix.endswith("."):
        return f'does not end in a dot: write prefix = "{prefix}."'
    if len(prefix) > MAX_CHARS or not keys.is_name(prefix) or not all(prefix[:-1].split(".")):
        return f'is not 2 to {MAX_CHARS} of A-Z a-z 0-9 _ - and single dots: write one such as prefix = "x."'
    if prefix.startswith(keys.RESERVED):
        return f"is reserved for hookbus's own events: {_another(owner)}"
    known = next((family for family in OPENAIS if prefix.startswith(family)), "")
    return f"begins as OpenAI's types do ({known!r}): {_another(owner)}" if known else ""


def _another(owner: Owner) -> str:
    return f'write another, such as prefix = "from_{owner.name}."'


def _clashes(owners: list[Owner]) -> Iterator[str]:
    for one, other in itertools.combinations(owners, 2):
        if one.prefix == other.prefix:
            may_share = (one.is_openai or other.is_openai) if not one.prefix else (one.is_openai and other.is_openai)
        else:
            may_share = not (one.prefix and other.prefix and _is_nested(one.prefix, other.prefix))
        if not may_share:
            them = f"{_key(one)}: {one.prefix!r} clashes with {other.prefix!r} of ingest.sources.{other.name}"
            yield f"{them}: each could send the other's types; {_another(one)}"


def _is_nested(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
