"""The attempts of a dead letter on a line from its receipt to its death. Pure: places in the drawing's coordinates."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from ..pipeline.dead_letter import DeadLetterRecord
from . import draw

LEFT: Final = 40
RIGHT: Final = 830
APART: Final = 90
"""Between two labels; closer ones would lie over each other, and the table has them all."""
WAIT_APART: Final = 110


class Mark(NamedTuple):
    """An end of an attempt. `label` and `wait` are "" where there is no place for them."""

    x: int
    label: str
    waited_from: int
    wait: str


def marks(letter: DeadLetterRecord) -> list[Mark]:
    """One mark for each attempt that is kept."""
    ends = [each.at_ms for each in letter.history]
    begin, end = letter.received_at_ms, max([letter.dead_lettered_at_ms, *ends])
    span = max(1, end - begin)
    found: list[Mark] = []
    last_x, last_label = LEFT, LEFT
    for i, (at_ms, waited_s) in enumerate(zip(ends, waits(letter), strict=True)):
        x = LEFT + round((RIGHT - LEFT) * min(1.0, max(0.0, (at_ms - begin) / span)))
        is_last = i + 1 == len(ends)
        is_roomy = x - last_label >= APART and (is_last or RIGHT - x >= APART)
        label = f"+{draw.age((at_ms - begin) / 1000)}" if is_roomy else ""
        wait = f"waited {draw.age(waited_s)}" if waited_s and x - last_x >= WAIT_APART else ""
        found.append(Mark(x, label, last_x, wait))
        last_x, last_label = x, x if label else last_label
    return found


def waits(letter: DeadLetterRecord) -> Sequence[float | None]:
    """Seconds between the end of the attempt before and the begin of each; None for the first that is kept."""
    before: int | None = None
    found: list[float | None] = []
    for each in letter.history:
        begin_ms = each.at_ms - each.duration_ms
        found.append(None if before is None else max(0, begin_ms - before) / 1000)
        before = each.at_ms
    return found
