"""The flow of every command that moves many deliveries: plan, show or ask, record, move until done or stopped, say
what was done."""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import typer

from ...shared import command, output
from ...shared.command import EXIT_FAILED, EXIT_INTERRUPTED, Stopping
from ...shared.connection import Redis
from ..audit import Action
from ..dlq.bulk import Tally
from ..dlq.query import DeadLetters
from . import options
from .recorded import recorded

ASK_ABOVE: Final = 100
"""Moves of more than this many are asked about (a guess: what a person can look through)."""


class Plan(Protocol):
    """What a command would move: `moving` of the `matching` ones."""

    @property
    def matching(self) -> int:
        """How many match the filter."""
        ...

    @property
    def moving(self) -> int:
        """How many of them are moved; the others are left out."""
        ...


Planned = TypeVar("Planned", bound=Plan)


@dataclass(frozen=True, slots=True)
class Verb:
    """A bulk move in words. `is_final`: it cannot be undone, so it is always asked about."""

    name: str
    done: str
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """The options of every bulk move. `rate` is deliveries per second, 0 for no limit."""

    config: Path | None
    rate: float
    is_dry_run: bool
    as_json: bool
    is_agreed: bool
    """`--yes`: do not ask."""
    why: str


class Move(Protocol[Planned]):
    """One bulk move of a command."""

    @property
    def verb(self) -> Verb:
        """What it does, in words."""
        ...

    @property
    def is_everything(self) -> bool:
        """Whether nothing limits it but what exists."""
        ...

    async def plan(self, client: Redis, store: DeadLetters) -> Planned:
        """Look what it would move."""
        ...

    def show(self, plan: Planned) -> None:
        """Print the plan, for a dry run or when nothing matches."""
        ...

    def question(self, plan: Planned) -> str:
        """What is asked before the move: it names count and filter."""
        ...

    def action(self, plan: Planned) -> Action:
        """What is recorded of it."""
        ...

    async def run(self, client: Redis, store: DeadLetters, plan: Planned, stopping: Stopping, /) -> Tally:
        """Move what was planned, and show the progress."""
        ...

    def result(self, plan: Planned, tally: Tally, *, is_interrupted: bool) -> dict[str, Any]:
        """The JSON of a plan or a result."""
        ...

    def sentence(self, plan: Planned, tally: Tally, *, is_interrupted: bool) -> str:
        """The result for a person."""
        ...


def run(move: Move[Planned], terms: Terms) -> int:
    """Run a move; returns the exit code. Raises typer.BadParameter, FailedError."""
    verb = move.verb
    if verb.is_final and not (terms.is_agreed or terms.is_dry_run or output.can_ask()):
        raise typer.BadParameter(f"no terminal to ask on: add --yes to {verb.name} without asking")
    # Asking blocks, so it comes before the loop in which Ctrl-C stops between batches.
    plan = asyncio.run(_plan(move, terms))
    if terms.is_dry_run or not plan.matching:
        if terms.as_json:
            output.print_json(move.result(plan, Tally(), is_interrupted=False))
        else:
            move.show(plan)
        return 0
    if _is_asked(move, plan, terms) and not output.confirmed(f"{move.question(plan)}?"):
        print(f"nothing was {verb.done}", file=sys.stderr)
        return EXIT_FAILED
    return _finish(move, plan, terms)


async def _plan(move: Move[Planned], terms: Terms) -> Planned:
    async with options.dead_letters(terms.config, move.verb.name) as (client, store):
        return await move.plan(client, store)


def _is_asked(move: Move[Planned], plan: Planned, terms: Terms) -> bool:
    if terms.is_agreed or not plan.moving or not output.can_ask():
        return False
    return move.verb.is_final or move.is_everything or plan.moving > ASK_ABOVE


def _finish(move: Move[Planned], plan: Planned, terms: Terms) -> int:
    tally, is_interrupted = command.run_service(lambda stopping: _recorded(move, plan, terms, stopping))
    if terms.as_json:
        output.print_json(move.result(plan, tally, is_interrupted=is_interrupted))
    else:
        print(move.sentence(plan, tally, is_interrupted=is_interrupted))
    if is_interrupted:
        return EXIT_INTERRUPTED
    return EXIT_FAILED if plan.moving < plan.matching else 0


async def _recorded(move: Move[Planned], plan: Planned, terms: Terms, stopping: Stopping) -> tuple[Tally, bool]:
    """Move; returns what moved, and whether it was stopped before the end."""
    async with (
        options.dead_letters(terms.config, move.verb.name) as (client, store),
        recorded(client, move.action(plan)) as progress,
    ):
        tally = await move.run(client, store, plan, stopping)
        is_interrupted = stopping.is_set() and tally.done < plan.moving
        progress.set(tally.moved, tally.gone, is_stopped=is_interrupted)
    return tally, is_interrupted
