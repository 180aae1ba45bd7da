"""What became of a dead letter that is gone, as far as the audit tells. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ..audit import Entry

MOVES: Final = ("dlq redrive", "dlq discard")
MAX_POSSIBLE: Final = 10
"""Moves by a filter that a person looks through."""


@dataclass(frozen=True, slots=True)
class Fate:
    """`known` names the letter. `possible` are by a filter: the audit does not keep what each took; newest first."""

    known: Entry | None
    possible: Sequence[Entry]


def of(entries: Iterable[Entry], group: str, name: str) -> Fate:
    """The fate of a letter from the actions, newest first."""
    moves = [each for each in entries if each.verb in MOVES and each.moved != 0 and _covers(each, "group", group)]
    known = next((each for each in moves if name in each.criteria.get("id", ())), None)
    possible = [each for each in moves if "id" not in each.criteria]
    return Fate(known, possible[:MAX_POSSIBLE])


def _covers(entry: Entry, option: str, value: str) -> bool:
    return value in entry.criteria.get(option, [value])
