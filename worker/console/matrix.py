"""Groups × event types: one cell for each subscription, with what waits there. Pure.

Fifty groups by forty types have two thousand cells, of which a look changes few: it is drawn once for each look,
however many ask.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from ...shared.patterns import patterns_of
from ..inspect.group_status import GroupStatus
from .look import Look

MAX_TYPES: Final = 60
"""Columns; what is left out is said beside it."""
FEW_TYPES: Final = 5
"""So many columns have room for their names side by side, on a tablet too."""
HEAT: Final = (1, 100, 1000, 10_000)
"""From so many waiting events on, a cell is a shade darker."""


class Cell(NamedTuple):
    """`kind` is a class of the style sheet; "none" is not subscribed."""

    kind: str
    waiting: int
    dead: int
    state: str
    """What holds it up, in words; "" for nothing."""
    retries: int = 0
    """Those known among the first due of its group."""


NONE: Final = Cell("none", 0, 0, "")
IDLE: Final = Cell("idle", 0, 0, "")


@dataclass(frozen=True, slots=True)
class Matrix:
    """`families`: the types by the part before their first dot. `rows`: group → its cells in the order of `types`."""

    families: Sequence[Sequence[str]]
    rows: Mapping[str, Sequence[Cell]]
    left_out: int

    @property
    def types(self) -> list[str]:
        """All columns."""
        return [name for family in self.families for name in family]

    @property
    def is_small(self) -> bool:
        """Whether names need not be slanted."""
        return len(self.types) <= FEW_TYPES

    @property
    def hot(self) -> frozenset[str]:
        """The types with a cell that needs somebody."""
        names = self.types
        return frozenset(
            name for cells in self.rows.values() for name, cell in zip(names, cells, strict=True) if cell.dead
        )

    @property
    def first_of_family(self) -> frozenset[str]:
        """The types that begin a family, but for the first of all."""
        return frozenset(family[0] for family in self.families[1:])


def of_look(look: Look, names: Sequence[str]) -> Matrix:
    """The matrix of these groups."""
    dead = Counter[tuple[str, str]]()
    for cause in look.beside.causes:
        dead[cause.group, cause.kind.type] += cause.count
    types = _types(look, dead)
    families: dict[str, list[str]] = {}
    for name in types[:MAX_TYPES]:
        families.setdefault(name.partition(".")[0], []).append(name)
    columns = [(name, frozenset(patterns_of(name))) for family in families.values() for name in family]
    groups = look.bus.status.groups
    rows = {
        name: [
            _with_retries(
                _cell(groups[name], look.bus.patterns.get(name), kind, of, dead[name, kind]),
                look.beside.retries[name, kind],
            )
            for kind, of in columns
        ]
        for name in names
    }
    return Matrix(list(families.values()), rows, max(0, len(types) - MAX_TYPES))


def _types(look: Look, dead: Iterable[tuple[str, str]]) -> list[str]:
    """Every type that was stored, is named by a subscription, or waits somewhere."""
    named = {pattern for patterns in look.bus.patterns.values() for pattern in patterns if not pattern.endswith("*")}
    waiting = {name for group in look.bus.status.groups.values() for name in group.types}
    retried = {kind for _, kind in look.beside.retries}
    return sorted({*look.bus.last_event_ms, *named, *waiting, *retried, *(kind for _, kind in dead)})


def _with_retries(cell: Cell, retries: int) -> Cell:
    """The cell with its foot; most have none."""
    if not retries:
        return cell
    return cell._replace(retries=retries, kind="h0" if cell.kind in ("idle", "none") else cell.kind)


def _cell(
    group: GroupStatus, subscribed: frozenset[str] | None, kind: str, patterns: frozenset[str], dead: int
) -> Cell:
    status = group.types.get(kind)
    waiting = status.backlog + status.in_flight if status else 0
    if not patterns.isdisjoint(group.breakers):
        return Cell("open", waiting, dead, "breaker open")
    if not patterns.isdisjoint(group.paused):
        return Cell("paused", waiting, dead, "paused")
    if not patterns.isdisjoint(group.held):
        return Cell("paused", waiting, dead, "held by its handler")
    if dead:
        return Cell("dead", waiting, dead, "")
    if waiting:
        return Cell(f"h{sum(waiting >= least for least in HEAT)}", waiting, 0, "")
    return IDLE if subscribed is None or not patterns.isdisjoint(subscribed) else NONE
