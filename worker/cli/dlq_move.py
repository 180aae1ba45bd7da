"""`dlq redrive` and `discard`: bulk moves of a snapshot, with progress, a rate limit, and a stop between batches."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import typer

from ...shared import command, output
from ...shared.clock import now_ms
from ...shared.command import EXIT_FAILED, EXIT_INTERRUPTED, Stopping
from ...shared.connection import Redis
from ..dlq.bulk import Tally, batch_for
from ..dlq.moves import Moves
from ..dlq.query import DeadLetters, Filter, StoredLetter
from ..dlq.unsubscribed import is_unsubscribed
from ..inventory import registry
from . import dlq_look, dlq_tables, options
from .progress import move_watched
from .recorded import action, recorded


@dataclass(frozen=True, slots=True)
class Verb:
    """The name of a bulk move, and its participle for messages."""

    name: str
    done: str


REDRIVE: Final = Verb("redrive", "redriven")
DISCARD: Final = Verb("discard", "discarded")


@dataclass(frozen=True, slots=True)
class Order:
    """The options of the command. `rate` is letters per second, 0 for no limit."""

    verb: Verb
    criteria: Filter
    rate: float
    is_dry_run: bool
    as_json: bool
    why: str
    include_unsubscribed: bool = False
    """Also redrive letters of types that their group does not subscribe to."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The filter as a snapshot, the number of letters that match, and of those left out, by group and type."""

    criteria: Filter
    matching: int
    left_out: Counter[tuple[str, str]]

    @property
    def moving(self) -> int:
        """The number of letters to move."""
        return self.matching - self.left_out.total()


def run(config: Path | None, order: Order, *, is_all: bool, asks: bool = False) -> int:
    """Run the move, after asking if `asks`; returns the exit code. Raises typer.BadParameter, FailedError."""
    if order.criteria == Filter() and not is_all:
        raise typer.BadParameter(f"no filter given: add one, or --all to {order.verb.name} every dead letter")
    if asks and not output.can_ask():
        raise typer.BadParameter(f"no terminal to ask on: add --yes to {order.verb.name} without asking")
    # Asking blocks, so it comes before the loop in which Ctrl-C stops between batches.
    plan = asyncio.run(_prepare(config, order))
    if order.is_dry_run or not plan.matching:
        return 0
    if asks and plan.moving and not output.confirmed(_question(order, plan.moving)):
        print(f"nothing was {order.verb.done}", file=sys.stderr)
        return EXIT_FAILED
    order = replace(order, criteria=plan.criteria)
    is_interrupted = False

    async def until_done(stopping: Stopping) -> None:
        nonlocal is_interrupted
        is_interrupted = await _move(config, order, plan, stopping)

    command.run_service(until_done)
    if is_interrupted:
        return EXIT_INTERRUPTED
    return EXIT_FAILED if plan.left_out else 0


def _question(order: Order, moving: int) -> str:
    for_good = " for good" if order.verb is DISCARD else ""
    return f"{order.verb.name} {output.things(moving, 'dead letter')}{for_good}?"


async def _prepare(config: Path | None, order: Order) -> Plan:
    """Take the snapshot and count; prints the plan for a dry run, or when nothing matches."""
    async with options.dead_letters(config) as (client, store):
        criteria = order.criteria if order.criteria.names else await store.snapshot(order.criteria)
        unsubscribed = await _unsubscribed(client, store, criteria) if order.verb is REDRIVE else Counter()
        plan = Plan(criteria, await store.count(criteria), Counter() if order.include_unsubscribed else unsubscribed)
        if order.is_dry_run or not plan.matching:
            if order.as_json:
                output.print_json(_result(order, plan, Tally(), is_interrupted=False))
            else:
                await _show_plan(store, order, plan)
    _print_unsubscribed(unsubscribed, is_left_out=not order.include_unsubscribed)
    return plan


async def _unsubscribed(client: Redis, store: DeadLetters, criteria: Filter) -> Counter[tuple[str, str]]:
    """Count the matching letters of unsubscribed types: a release removed their handler, or changed its type."""
    if criteria.names:
        dead = Counter((each.group, each.letter.type) for each in await store.find(criteria))
    else:
        dead = Counter()
        for summary in await store.summaries(criteria):
            dead[summary.group, summary.kind.type] += summary.count
    subscribed = await registry.patterns(client, store.shards)
    return Counter({place: count for place, count in dead.items() if is_unsubscribed(subscribed, *place)})


def _print_unsubscribed(unsubscribed: Counter[tuple[str, str]], *, is_left_out: bool) -> None:
    for (group, event_type), count in sorted(unsubscribed.items()):
        effect = (
            "not redriven (--include-unsubscribed redrives them)"
            if is_left_out
            else (f"redriven, they wait until it does; to undo: hookbus-worker dlq recall --group {group}")
        )
        letters = output.things(count, "dead letter")
        print(f"{group} does not subscribe to {output.line(event_type)}: {letters}, {effect}", file=sys.stderr)


async def _show_plan(store: DeadLetters, order: Order, plan: Plan) -> None:
    if not plan.matching:
        print("no dead letters match")
        return
    if plan.criteria.names:
        dlq_tables.letters(await store.find(plan.criteria), now_ms())
    else:
        dlq_tables.summaries(await store.summaries(plan.criteria), now_ms())
    where = ", each to its group" if order.verb is REDRIVE else " for good"
    print(f"would {order.verb.name} {output.things(plan.moving, 'dead letter')}{where}")


async def _move(config: Path | None, order: Order, plan: Plan, stopping: Stopping) -> bool:
    """Move the letters and print the result; returns whether it was stopped before the end."""
    async with options.dead_letters(config) as (client, store):
        moves = Moves(client, store.shards)
        move = moves.redrive if order.verb is REDRIVE else moves.discard
        batches = _chosen(store.walk(order.criteria, batch_for(order.rate)), plan)
        started = action(f"dlq {order.verb.name}", order.criteria.options(), order.why, plan.moving)
        async with recorded(client, started) as progress:
            tally = await move_watched(
                lambda: order.verb.name, batches, move, total=plan.moving, rate=order.rate, stopping=stopping
            )
            is_interrupted = stopping.is_set() and tally.moved + tally.gone < plan.moving
            progress.set(tally.moved, tally.gone, is_stopped=is_interrupted)
    if order.as_json:
        output.print_json(_result(order, plan, tally, is_interrupted=is_interrupted))
    else:
        print(_sentence(order, plan, tally, is_interrupted=is_interrupted))
    dlq_look.warn_unreadable(store)
    return is_interrupted


async def _chosen(batches: AsyncIterator[list[StoredLetter]], plan: Plan) -> AsyncIterator[list[StoredLetter]]:
    """The batches without the letters that are left out."""
    async for batch in batches:
        if chosen := [dead for dead in batch if (dead.group, dead.letter.type) not in plan.left_out]:
            yield chosen


def _result(order: Order, plan: Plan, tally: Tally, *, is_interrupted: bool) -> dict[str, int | bool]:
    left_out = {"left_out": plan.left_out.total()} if order.verb is REDRIVE else {}
    return {
        "dry_run": order.is_dry_run,
        "matching": plan.matching,
        order.verb.done: tally.moved,
        "gone": tally.gone,
        **left_out,
        "interrupted": is_interrupted,
    }


def _sentence(order: Order, plan: Plan, tally: Tally, *, is_interrupted: bool) -> str:
    text = f"{output.things(tally.moved, 'dead letter')} {order.verb.done}"
    if tally.gone:
        text += f"; {tally.gone:,} skipped: removed meanwhile, or dead-lettered again"
    if is_interrupted:
        text = f"stopped: {text}; {plan.moving - tally.moved - tally.gone:,} remain"
    return text
