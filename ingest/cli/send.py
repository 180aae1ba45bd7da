"""`hookbus-ingest send` at the terminal: builds the events, prints a line a post or a progress bar, and a summary."""

import asyncio
import contextlib
import fnmatch
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import uvloop
from rich.progress import Progress

from ...shared import output
from ...shared.command import EXIT_FAILED, EXIT_INTERRUPTED, FailedError
from ...shared.nearest import did_you_mean
from ...shared.posting import Answer, Expected
from ...shared.samples import event_body, samples
from .. import send
from ..send import Plan, Tally

MAX_LINES: Final = 20
"""Up to so many posts get a line each, a screenful; more show a progress bar."""

Show = Callable[[int, Answer, Expected], None]


def types_of(text: str) -> list[str]:
    """The types of an argument: those that a pattern such as `response.*` matches, else the argument itself.

    Raises ValueError when a pattern matches no known type.
    """
    if "*" not in text:
        return [text]
    types = fnmatch.filter(sorted(samples()), text)
    if not types:
        raise ValueError(f"no known type matches {text!r}{did_you_mean(text, samples())}")
    return types


def fields_of(pairs: Sequence[str]) -> dict[str, Any]:
    """Parse `key=value` pairs; a value that is not JSON is text. Raises ValueError."""
    fields: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not all(key.split(".")):
            raise ValueError(f"expected key=value, got {pair!r}")
        try:
            fields[key] = json.loads(text)
        except (ValueError, RecursionError):
            fields[key] = text
    return fields


def events(
    event_type: str, pairs: Sequence[str], file: Path | None, type_at: str
) -> tuple[list[str], Callable[[int], bytes]]:
    """The types to send in turn, and a function that builds the n-th body. Raises ValueError, FailedError."""
    if file is not None:
        body = read_body(file)
        return [event_type or file.name], lambda _: body
    types, fields = types_of(event_type), fields_of(pairs)
    for name in types:
        event_body(name, fields, type_at)  # raises for impossible fields before anything is sent
        if name not in samples():
            hint = did_you_mean(name, samples())
            print(f"{name} is not a known event type; sending a generic event{hint}", file=sys.stderr)
    return types, lambda number: event_body(types[number % len(types)], fields, type_at)


def read_body(file: Path) -> bytes:
    """The exact bytes of a file, or of standard input for `-`. Raises FailedError."""
    try:
        return output.bytes_in().read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise FailedError(f"{file}: {error.strerror}; --body takes a file, and - standard input") from None


def run(plan: Plan, labels: Sequence[str]) -> int:
    """Send a plan, print the answers, return the exit code. `labels` name the events in turn. Raises FailedError."""
    tally, began = Tally(), time.monotonic()
    code = 0
    try:
        with _display(plan, labels) as show, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(send.send(plan, tally, show))
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    if tally.is_hopeless:
        raise FailedError(f"{plan.to.url}: {tally.failure}")
    print("\n".join(_summary(tally, time.monotonic() - began)))
    return code or (EXIT_FAILED if tally.unexpected else 0)


@contextlib.contextmanager
def _display(plan: Plan, labels: Sequence[str]) -> Iterator[Show]:
    posts = plan.events * len(plan.expected())
    if posts <= MAX_LINES:
        yield lambda number, answer, expected: output.print_lines(
            [_line(labels[number % len(labels)], answer, expected)]
        )
        return
    console = output.console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("sending", total=posts)
        yield lambda number, answer, expected: progress.advance(task)


def _line(label: str, answer: Answer, expected: Expected) -> str:
    posted = f"{answer.status or '---'} {output.line(answer.code):<20} {answer.latency_ms:8.1f} ms"
    line = f"{posted}  {answer.webhook_id}  {output.line(label)}"
    if answer.detail:
        line += f"  ({output.line(answer.detail)})"
    return line if answer.is_as(expected) else f"{line}  <- expected {' '.join(map(str, expected)).strip()}"


def _summary(tally: Tally, took_s: float) -> Iterator[str]:
    posts = tally.counts.total()
    yield f"{posts} posts in {took_s:.2f} s ({posts / took_s:.0f}/s)"
    for (status, code), count in sorted(tally.counts.items()):
        yield f"{count:8}  {status or '---'} {output.line(code)}"
    p50, p99, highest = (tally.percentile_ms(share) for share in (0.5, 0.99, 1))
    yield f"latency   p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {highest:.1f} ms"
    if tally.unexpected:
        yield f"{tally.unexpected} answers were not as expected"
