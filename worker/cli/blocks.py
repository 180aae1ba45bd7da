"""Blocks: a line that names a thing, and lines about it that wrap below each other, for every width of a terminal."""

from collections.abc import Iterable, Sequence

from rich.padding import Padding
from rich.text import Text

from ...shared import output

Block = list[Text | Padding]


def block(title: Text, lines: Sequence[str | Text]) -> Block:
    """A block; its plain lines may hold text from outside."""
    below = [Text(output.one_line(line), "dim") if isinstance(line, str) else line for line in lines]
    return [title, *(Padding(line, (0, 0, 0, 2), expand=False) for line in below)]


def show(blocks: Iterable[Block]) -> None:
    """Print blocks."""
    console = output.console()
    for each in blocks:
        for line in each:
            console.print(line)
