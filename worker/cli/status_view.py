"""How a status looks: a headline, then the groups, worst first, each with what is wrong and the types that wait."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.segment import Segment, SegmentLines
from rich.table import Table
from rich.text import Text

from ...shared import output
from ...shared.tables import Column, table
from ..inspect import headline, troubles
from ..inspect.group_status import GroupStatus, TypeStatus
from ..inspect.status import Status
from ..inspect.trouble import Grade, Kind, Trouble

UNUSED: Final = "unused: neither hookbus-ingest nor hookbus-worker run has used this Redis yet"
INDENT: Final = 2
STYLES: Final = {Grade.STOPPED: "bold red", Grade.DEAD: "red", Grade.WAITS: "yellow", Grade.FINE: ""}
NARROW: Final = 60
"""Columns below which words go that the figures say, too."""
LEAST_PART: Final = 3
"""Lines that are worth showing of a group which does not fit: its name, what is wrong, and one more."""
_COLUMNS: Final = (
    Column("TYPE"),
    Column("BACKLOG", is_number=True),
    Column("IN FLIGHT", is_number=True, goes=2),
    Column("OLDEST", is_number=True, goes=1),
)

Line = list[Segment]


class Block(NamedTuple):
    """A part of the screen about one group, or about what belongs to none (`is_group` is False)."""

    name: str
    grade: Grade
    lines: list[Line]
    is_group: bool = True


def page(current: Status, now_ms: int, console: Console, *, is_all: bool) -> RenderableType:
    """The whole status. `is_all`: idle types, too."""
    if not current.shards:
        return Text(UNUSED)
    head, blocks = _parts(current, now_ms, console, is_all=is_all)
    return SegmentLines(_joined([head, *(block.lines for block in blocks)]), new_lines=True)


def screenful(current: Status, now_ms: int, console: Console, *, is_all: bool) -> RenderableType:
    """As much of it as fits on the terminal, the worst first, and the number of groups that don't."""
    if not current.shards:
        return Text(UNUSED)
    head, blocks = _parts(current, now_ms, console, is_all=is_all)
    return SegmentLines(fit(head, blocks, console.height), new_lines=True)


def _parts(current: Status, now_ms: int, console: Console, *, is_all: bool) -> tuple[list[Line], list[Block]]:
    found, of_bus = troubles.by_group(current, now_ms), troubles.of_bus(current)

    def lines(*parts: RenderableType) -> list[Line]:
        return console.render_lines(Group(*parts), pad=False)

    width = console.width - INDENT
    of_groups = [
        Block(name, troubles.grade(found[name]), lines(*_group(name, current.groups[name], found[name], width, is_all)))
        for name in troubles.groups_worst_first(current.groups, found)
    ]
    others = []
    if single := [each for each in of_bus if each.kind is not Kind.ORPHAN]:
        others.append(Block("the whole bus", troubles.grade(single), lines(*map(_text, single)), is_group=False))
    if current.orphans:
        others.append(Block("orphans", Grade.WAITS, lines(*_orphans(current.orphans, width)), is_group=False))
    blocks = sorted([*others, *of_groups], key=lambda block: -block.grade)
    whole = headline.of(current, (*of_bus, *(each for of_group in found.values() for each in of_group)))
    return lines(Text(" · ").join(Text(each.problem, STYLES[each.grade] or "bold") for each in whole)), blocks


def _group(
    name: str, group: GroupStatus, found: Sequence[Trouble], width: int, is_all: bool
) -> Iterable[RenderableType]:
    consumers = f"{group.consumers:,}" if width < NARROW else output.things(group.consumers, "consumer")
    alive = f"{group.consumers_alive} of {consumers} alive"
    busy = {name: entry for name, entry in group.types.items() if entry.backlog or entry.in_flight}
    idle = "" if is_all else _idle(len(group.types) - len(busy))
    head = Text(output.line(name), "bold") + Text("  ") + Text(alive, "green" if group.consumers_alive else "bold red")
    beside = [_text(each) for each in found if each.is_brief]
    if idle and not busy:
        beside.append(Text(idle, "dim"))
    said = Text(" · ").join(beside)
    fits = head.cell_len + len(" · ") + said.cell_len <= width + INDENT
    yield head + Text(" · ") + said if beside and fits else head
    if beside and not fits:  # a line at the left edge would read as a group
        yield _indented(said)
    for each in found:
        if not each.is_brief:
            yield _indented(_text(each))
    shown = group.types if is_all else busy
    if shown:
        yield _indented(_types(shown, width))
    if idle and busy:
        yield Text(" " * INDENT + idle, "dim")


def _idle(count: int) -> str:
    return f"{output.things(count, 'type')} idle" if count else ""


def _types(types: dict[str, TypeStatus], width: int) -> Table:
    """The type whose oldest event waits longest comes first."""
    entries = sorted(types.items(), key=lambda each: (-(each[1].oldest_age_s or 0), each[0]))
    rows = [(output.line(name), _backlog(each), f"{each.in_flight:,}", _oldest(each)) for name, each in entries]
    return table(_COLUMNS, rows, width, style="dim")


def _orphans(orphans: dict[str, int], width: int) -> Iterable[RenderableType]:
    yield Text("orphans", "bold yellow") + Text("  events that no group subscribes to")
    rows = [(output.line(name), f"{count:,}") for name, count in sorted(orphans.items(), key=lambda each: -each[1])]
    columns = (Column("TYPE"), Column("EVENTS", is_number=True))
    yield _indented(table(columns, rows, width, style="dim"))


def _indented(part: RenderableType) -> Padding:
    return Padding(part, (0, 0, 0, INDENT), expand=False)


def _backlog(entry: TypeStatus) -> str:
    return f"{entry.backlog:,}{'+' if entry.backlog_is_minimum is True else ''}"


def _oldest(entry: TypeStatus) -> str:
    return "–" if entry.oldest_age_s is None else output.age(entry.oldest_age_s)


def _text(trouble: Trouble) -> Text:
    """Below the name of its group, so without it."""
    return output.cell(trouble.problem, STYLES[trouble.grade])


def _joined(parts: Sequence[list[Line]]) -> list[Line]:
    """All lines: an empty one follows the first part, and stands around each part of several lines."""
    found = list(parts[0])
    for before, part in pairwise(parts):
        if before is parts[0] or len(before) > 1 or len(part) > 1:
            found.append([])
        found += part
    return found


def fit(head: list[Line], blocks: Sequence[Block], height: int) -> list[Line]:
    """As many blocks as `height` lines hold, and a last line about the others."""
    for count in range(len(blocks), -1, -1):
        lines = _joined([head, *(block.lines for block in blocks[:count])])
        rest = blocks[count:]
        if len(lines) + bool(rest) <= height:
            room = height - len(lines) - 2  # an empty line before, the line about the others after
            if rest and rest[0].grade and room >= LEAST_PART:
                lines += [[], *rest[0].lines[:room]]
                left = len(rest[0].lines) - room
                return [*lines, _note(f"+{output.things(left, 'line')} of {rest[0].name}", rest[1:])]
            return [*lines, _note("", rest)] if rest else lines
    return [*head[: height - 1], _note("", blocks)]


def _note(first: str, rest: Sequence[Block]) -> Line:
    groups = [block for block in rest if block.is_group]
    fine = sum(not block.grade for block in groups)
    parts = [first, *(block.name for block in rest if not block.is_group)]
    if len(groups) > fine:
        parts.append(f"+{output.things(len(groups) - fine, 'group')} in trouble")
    if fine:
        parts.append(f"+{output.things(fine, 'group')} in order")
    return [Segment(" · ".join(filter(None, parts)))]
