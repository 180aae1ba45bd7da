"""The output of the demo: numbered steps, posts with their responses, facts with a tick, and the table at the end."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import msgspec
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from deploy.local.demo.plan import Figures
from deploy.local.processes import Child
from deploy.local.terminal import pretty
from hookbus.shared import screen
from hookbus.shared.posting import Answer

INDENT: Final = "    "
LOG_LINES: Final = 15
"""Log lines shown of each program when a step fails."""
WIDEST: Final = 110
"""Longer lines are hard to read."""


class Screen:
    """Prints on standard output: with colours on a terminal, plain when piped."""

    def __init__(self) -> None:
        self._console = screen.Screen(highlight=False, emoji=False)
        self._console.width = min(self._console.width, WIDEST)
        self._step = 0

    @property
    def width(self) -> int:
        """Columns of the text under a step."""
        return self._console.width - len(INDENT)

    @property
    def is_terminal(self) -> bool:
        """Whether standard output is a terminal."""
        return self._console.is_terminal

    def title(self, name: str, about: str, picture: str) -> None:
        """The first lines."""
        self._console.print(f"\n[bold]{name}[/]  {about}\n\n{INDENT}[dim]{picture}[/]")

    def step(self, title: str, about: str = "") -> None:
        """A new step; `about` continues the sentence of `title`."""
        self._step += 1
        self._console.print(f"\n[bold cyan]{self._step:>2}[/]  [bold]{escape(title)}[/] {escape(about)}")

    def posted(self, what: str, answer: Answer) -> None:
        """A request and its response."""
        style = "green" if answer.status == 200 else "yellow"
        self._console.print(
            f"{INDENT}[cyan]→[/] {escape(what):<34} [{style}]{answer.status} {answer.code:<18}[/]"
            f" [dim]{answer.latency_ms:.1f} ms[/]"
        )

    def fact(self, text: str) -> None:
        """A checked fact."""
        self._paragraph(Text("✓ ", "bold green"), Text(text))

    def happening(self, text: str) -> None:
        """An action on the programs."""
        self._paragraph(Text("• ", "bold yellow"), Text(text))

    def remark(self, text: str) -> None:
        """An explanation."""
        self._paragraph(Text("  "), Text(text, "dim"))

    def listed(self, name: str, members: Iterable[str]) -> None:
        """The members of a family."""
        self._paragraph(Text(f"{name:<20}", "cyan"), Text(" ".join(members), "dim"))

    def command(self, words: Iterable[str], output: str) -> None:
        """A command line and its output."""
        self._console.print(f"{INDENT}[bold]$ {escape(' '.join(words))}[/]")
        for line in output.rstrip().splitlines():
            self._console.print(Text(INDENT) + _trimmed(line), no_wrap=True, overflow="ignore", crop=False)

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Show a spinner while the block runs; nothing when piped."""
        with self._console.status(f"[dim]{escape(text)}[/]"):
            yield

    def figures(self, expected: Figures, found: Figures) -> None:
        """The table of all figures."""
        table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
        table.add_column("")
        table.add_column("found", justify="right")
        table.add_column("expected", justify="right")
        table.add_column("")
        codes = sorted({*expected.refused, *found.refused})
        for (name, due), (_, value) in zip(_rows(expected, codes), _rows(found, codes), strict=True):
            is_right = value == due
            mark = Text("✓", "bold green") if is_right else Text("✗ not as expected", "bold red")
            table.add_row(name, Text(str(value), "bold" if is_right else "bold red"), str(due), mark)
        self._console.print(Padding(table, (0, 0, 0, len(INDENT)), expand=False))

    def failure(self, expected: str, found: str, children: Iterable[Child]) -> None:
        """The expected and the actual state, and the last log lines of each program."""
        self._console.print(f"\n[bold red]✗ the check failed[/]\n  expected  {escape(expected)}")
        self._console.print(f"  found     {escape(found)}")
        for child in children:
            self._console.print(f"\n[dim]last log lines of {escape(child.name)} (pid {child.pid}):[/]")
            for line in list(child.lines)[-LOG_LINES:]:
                self._console.print(Text(f"  {pretty(line)}"), soft_wrap=True)

    def result(self, text: str, is_ok: bool) -> None:
        """The line before the last."""
        self._console.print(f"\n[bold {'green' if is_ok else 'red'}]{escape(text)}[/]")

    def last_line(self, fields: Mapping[str, object]) -> None:
        """One JSON object, for programs."""
        sys.stdout.flush()
        print(msgspec.json.encode(fields).decode(), flush=True)

    def _paragraph(self, lead: Text, body: Text) -> None:
        """A text wrapped to the right of its lead."""
        for i, line in enumerate(body.wrap(self._console, self.width - len(lead))):
            line.rstrip()
            self._console.print(Text(INDENT) + (lead if i == 0 else Text(" " * len(lead))) + line)


def _rows(figures: Figures, codes: Iterable[str]) -> list[tuple[str, int]]:
    return [
        ("sent", figures.sent),
        ("accepted", figures.accepted),
        ("duplicate", figures.duplicate),
        *((f"refused: {code}", figures.refused.get(code, 0)) for code in codes),
        *((f"handled by {group}", count) for group, count in figures.handled.items()),
        ("retried", figures.retried),
        ("dead", figures.dead),
        ("redriven", figures.redriven),
        ("lost", figures.lost),
    ]


def _trimmed(line: str) -> Text:
    text = Text.from_ansi(line)
    text.rstrip()
    return text
