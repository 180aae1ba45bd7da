"""Tables of the tools, which fit into the terminal: columns that matter least go first, and no word is broken while one
of these is left."""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

GAP: Final = 2
"""Blanks between columns."""


class Column(msgspec.Struct, frozen=True):
    """A column. `goes`: the one with the highest number goes first where the table is too wide; 0 stays.

    `least`: a column of prose is wrapped at words down to this width; 0 for what is not wrapped. What is left of the
    table's width goes to the first of them that needs it.
    """

    title: str
    is_number: bool = False
    goes: int = 0
    least: int = 0


def table(columns: Sequence[Column], rows: Sequence[Sequence[str | Text]], width: int, *, style: str = "bold") -> Table:
    """A table of as many of the columns as fit into `width`."""
    widths = [max(each.least or _widest(number, rows), cell_len(each.title)) for number, each in enumerate(columns)]
    shown = list(range(len(columns)))
    while sum(widths[number] + GAP for number in shown) - GAP > width and any(columns[n].goes for n in shown):
        shown.remove(max(shown, key=lambda number: columns[number].goes))
    spare = width + GAP - sum(widths[number] + GAP for number in shown)
    found = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style=style)
    for number in shown:
        column = columns[number]
        how: Literal["right", "left"] = "right" if column.is_number else "left"
        more = max(0, min(spare, _widest(number, rows) - widths[number]))
        spare -= more
        fixed = widths[number] + more if spare >= 0 else None
        found.add_column(column.title, justify=how, overflow="fold", no_wrap=column.is_number, width=fixed)
    for row in rows:
        found.add_row(*(row[number] for number in shown))
    return found


def pairs(rows: Iterable[tuple[str, str]]) -> Table:
    """A table of names with their texts, one line each; those without a text are left out."""
    found = Table(box=None, pad_edge=False, show_header=False, padding=(0, GAP, 0, 0))
    found.add_column(style="dim", no_wrap=True)
    found.add_column(overflow="fold")
    for name, text in rows:
        if text:
            found.add_row(name, text)
    return found


def _widest(number: int, rows: Sequence[Sequence[str | Text]]) -> int:
    return max((cell_len(line) for row in rows for line in str(row[number]).split("\n")), default=0)
