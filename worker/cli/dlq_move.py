"""`dlq redrive` and `discard`: bulk moves of a snapshot, which can be watched, paced and stopped between batches."""

import asyncio
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import typer
from redis.asyncio import Redis

from shared import command, output
from shared.clock import now_ms
from shared.command import EXIT_FAILED, EXIT_INTERRUPTED, Stopping
from worker import layout
from worker.bulk import Tally, batch_for
from worker.cli import dlq_look, dlq_tables, options
from worker.cli.progress import move_watched
from worker.dead_letters import DeadLetters, Filter
from worker.dead_moves import Moves
from worker.routes import patterns_of


@dataclass(frozen=True, slots=True)
class Verb:
    """A bulk move, in the forms that messages need."""

    name: str
    done: str


REDRIVE: Final = Verb("redrive", "redriven")
DISCARD: Final = Verb("discard", "discarded")


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for. `rate` is letters per second, 0 for no limit."""

    verb: Verb
    wanted: Filter
    rate: float
    is_dry_run: bool
    as_json: bool


def run(config: Path | None, order: Order, *, is_all: bool, asks: bool = False) -> int:
    """Do what was ordered, after asking if need be; the exit code. Raises typer.BadParameter, FailedError."""
    if order.wanted == Filter() and not is_all:
        raise typer.BadParameter(f"which ones? Give a filter, or --all to {order.verb.name} every dead letter")
    if asks and not sys.stdin.isatty():
        raise typer.BadParameter(f"nobody here to ask: --yes to {order.verb.name} without asking")
    # Asking blocks, so it comes before the loop that a Ctrl-C is told to stop gently.
    wanted, matching = asyncio.run(_prepare(config, order))
    if order.is_dry_run or not matching:
        return 0
    if asks and not output.confirmed(f"{order.verb.name} {output.things(matching, 'dead letter')} for good?"):
        print(f"nothing was {order.verb.done}", file=sys.stderr)
        return EXIT_FAILED
    order = replace(order, wanted=wanted)
    is_interrupted = False

    async def until_done(stopping: Stopping) -> None:
        nonlocal is_interrupted
        is_interrupted = await _move(config, order, matching, stopping)

    command.run_service(until_done)
    return EXIT_INTERRUPTED if is_interrupted else 0


async def _prepare(config: Path | None, order: Order) -> tuple[Filter, int]:
    """The filter as a snapshot, and how many match; printed when that is all there is to do."""
    async with options.dead_letters(config) as (client, store):
        wanted = order.wanted if order.wanted.names else await store.snapshot(order.wanted)
        matching = await store.count(wanted)
        if order.is_dry_run or not matching:
            if order.as_json:
                output.print_json(_result(order, matching, Tally(), is_interrupted=False))
            else:
                await _show_plan(store, order, wanted, matching)
        if order.verb is REDRIVE:
            await _warn_unheard(client, store, wanted)
    return wanted, matching


async def _warn_unheard(client: Redis, store: DeadLetters, wanted: Filter) -> None:
    """Say what would go round and find nobody: a handler may have gone with a release, or changed its type."""
    if wanted.names:
        dead = {(found.group, found.letter.type) for found in await store.find(wanted)}
    else:
        dead = {(summary.group, summary.kind.type) for summary in await store.summaries(wanted)}
    told = await layout.patterns(client, store.shards)
    for group, event_type in sorted(dead):
        if group in told and told[group].isdisjoint(patterns_of(event_type)):
            print(f"{group} does not subscribe to {event_type}: redriven, that waits until it does", file=sys.stderr)


async def _show_plan(store: DeadLetters, order: Order, wanted: Filter, matching: int) -> None:
    if not matching:
        print("no dead letters match")
        return
    if wanted.names:
        dlq_tables.letters(await store.find(wanted), now_ms())
    else:
        dlq_tables.summaries(await store.summaries(wanted), now_ms())
    where = ", each into the group it died in" if order.verb is REDRIVE else " for good"
    print(f"would {order.verb.name} {output.things(matching, 'dead letter')}{where}")


async def _move(config: Path | None, order: Order, matching: int, stopping: Stopping) -> bool:
    """Move the letters and say how it went; whether it was stopped before the end."""
    async with options.dead_letters(config) as (client, store):
        moves = Moves(client, store.shards)
        move = moves.redrive if order.verb is REDRIVE else moves.discard
        batches = store.walk(order.wanted, batch_for(order.rate))
        tally = await move_watched(
            lambda: order.verb.name, batches, move, total=matching, rate=order.rate, stopping=stopping
        )
    is_interrupted = stopping.is_set() and tally.moved + tally.gone < matching
    if order.as_json:
        output.print_json(_result(order, matching, tally, is_interrupted=is_interrupted))
    else:
        print(_sentence(order, matching, tally, is_interrupted=is_interrupted))
    dlq_look.warn_unreadable(store)
    return is_interrupted


def _result(order: Order, matching: int, tally: Tally, *, is_interrupted: bool) -> dict[str, int | bool]:
    return {
        "dry_run": order.is_dry_run,
        "matching": matching,
        order.verb.done: tally.moved,
        "gone": tally.gone,
        "interrupted": is_interrupted,
    }


def _sentence(order: Order, matching: int, tally: Tally, *, is_interrupted: bool) -> str:
    text = f"{output.things(tally.moved, 'dead letter')} {order.verb.done}"
    if tally.gone:
        text += f"; {tally.gone:,} had gone meanwhile, or died again"
    if is_interrupted:
        text = f"stopped: {text}; {matching - tally.moved - tally.gone:,} left"
    return text
