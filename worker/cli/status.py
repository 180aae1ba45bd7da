"""`hookbus-worker status`: a table, one JSON object, or a table that is redrawn."""

import asyncio
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ...shared import output
from ...shared.clock import now_ms
from ...shared.command import Stopping, run_service
from ...shared.connection import FAULTS, Redis
from ...shared.pause import pause
from ..inspect import status as state
from ..inspect.group_status import GroupStatus, TypeStatus
from ..inspect.status import Status
from . import options
from .options import Config, Json

INTERVAL_S: Final = 2.0
UNUSED: Final = "unused: neither hookbus-ingest nor hookbus-worker run has used this Redis yet"


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Redraw every 2 s until Ctrl-C.")] = False,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Show each group's backlog, deliveries in flight, delayed retries, dead letters and consumers."""
    if watch and as_json:
        raise typer.BadParameter("--watch cannot be combined with --json; run status --json repeatedly instead")
    if watch:
        run_service(lambda stopping: _watch(config, stopping))
    else:
        asyncio.run(_once(config, as_json))


async def _once(config: Path | None, as_json: bool) -> None:
    async with options.connected(config, "status") as (client, shards):
        current = await state.fetch(client, shards)
    if as_json:
        output.print_json(current)
    else:
        output.console().print(_render(current))


async def _watch(config: Path | None, stopping: Stopping) -> None:
    async with options.connected(config, "status") as (client, shards):
        console = output.console()
        with Live(console=console, auto_refresh=False, screen=False) if console.is_terminal else nullcontext() as live:
            while not stopping.is_set():
                output.require_reader()
                frame = await _frame(client, shards)
                if live is not None:
                    live.update(frame, refresh=True)
                else:
                    console.print(frame)
                await pause(stopping, INTERVAL_S)


async def _frame(client: Redis, shards: int) -> Group | Text:
    """The status, or the error: a Redis that is unreachable for a moment does not end the watch."""
    try:
        return _render(await state.fetch(client, shards))
    except FAULTS as error:
        return Text(f"Redis: {error or type(error).__name__}", "red")


def _render(current: Status) -> Group | Text:
    if not current.shards:
        return Text(UNUSED)
    now = now_ms()
    parts: list[Table | Text] = []
    for name, group in current.groups.items():
        parts += [_headline(name, group, now), *_types(group), Text()]
    if current.orphans:
        parts.append(Text("orphans", "bold yellow") + Text("  events that no group subscribes to"))
        parts += [Text(f"  {output.line(name)}  {count:,}") for name, count in sorted(current.orphans.items())]
    parts += [Text(output.line(f"unusable key {key}: {why}"), "bold red") for key, why in current.unusable.items()]
    if not parts:
        parts.append(Text("no groups and no events yet"))
    return Group(*parts)


def _headline(name: str, group: GroupStatus, now: int) -> Text:
    """One line per group; problems stand out."""
    alive = f"{group.consumers_alive} of {output.things(group.consumers, 'consumer')} alive"
    text = Text(name, "bold") + Text("  ") + Text(alive, "green" if group.consumers_alive else "bold red")
    if group.delayed:
        due_s = ((group.next_due_ms or now) - now) / 1000
        text += Text(f" · {group.delayed:,} delayed, next {'in ' + output.age(due_s) if due_s > 0 else 'due'}")
    if group.snoozed:
        text += Text(f" · {_snoozed(group, now)}")
    if group.paused:
        text += Text(" · ") + Text(f"paused: {', '.join(_pauses(group))}", "bold yellow")
    for pattern, held in group.held.items():
        hold = f"{pattern} held for {output.age((held.until_ms - now) / 1000)} more ({held.error})"
        text += Text(" · ") + Text(output.line(hold), "bold yellow")
    for pattern, opened in group.breakers.items():
        breaker = f"breaker of {pattern} open ({opened.fingerprint}: {opened.error})"
        text += Text(" · ") + Text(output.line(breaker), "bold red")
    if group.dead:
        text += Text(" · ") + Text(f"{group.dead:,} dead", "red")
    if group.dropped:
        text += Text(" · ") + Text(f"{group.dropped:,} dead letters dropped by retention", "red")
    if group.abandoned_s is not None:
        text += Text(" · ") + Text(f"abandoned for {output.age(group.abandoned_s)}, holds up trimming", "bold red")
    if group.is_foreign is True:
        text += Text(" · ") + Text("not created by hookbus, holds up trimming", "bold yellow")
    text += _readers(group)
    if group.losses:
        text += Text(" · ") + Text(f"data loss seen {output.things(group.losses, 'time')}", "bold red")
    return text


def _readers(group: GroupStatus) -> Text:
    """What its live consumers leave undone, and where they differ."""
    text = Text()
    for event_type, count in group.unread.items():
        unread = f"no live consumer reads {event_type}: {count:,} wait"
        text += Text(" · ") + Text(output.line(unread), "bold red")
    for event_type, count in group.waiting_suspects.items():
        waiting = f"{output.things(count, 'suspect')} of {event_type} wait for a worker with a quarantine"
        text += Text(" · ") + Text(output.line(waiting), "bold yellow")
    for source, patterns in group.unknown_sources.items():
        takes = f"{', '.join(patterns)} takes source {source}, which no ingest has"
        text += Text(" · ") + Text(output.line(takes), "bold red")
    if group.disputed:
        text += Text(" · ") + Text(f"consumers disagree about {', '.join(map(output.line, group.disputed))}", "yellow")
    return text


def _snoozed(group: GroupStatus, now: int) -> str:
    text = f"{group.snoozed:,} of them snoozed by their handler"
    if group.snoozed_since_ms is None or group.snoozed_until_ms is None:
        return text
    until_s = (group.snoozed_until_ms - now) / 1000
    since = output.since(group.snoozed_since_ms, now)
    return f"{text}, the longest since {since}, {'for ' + output.age(until_s) + ' more' if until_s > 0 else 'now due'}"


def _pauses(group: GroupStatus) -> list[str]:
    return [
        output.line(f"{pattern} ({paused.reason})" if paused.reason else pattern)
        for pattern, paused in group.paused.items()
    ]


def _types(group: GroupStatus) -> list[Table]:
    if not group.types:
        return []
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=True)
    table.add_column("  TYPE", overflow="fold")
    for title in ("BACKLOG", "IN FLIGHT", "OLDEST"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, entry in sorted(group.types.items()):
        table.add_row(f"  {output.line(name)}", _backlog(entry), f"{entry.in_flight:,}", _oldest(entry))
    return [table]


def _backlog(entry: TypeStatus) -> str:
    return f"{entry.backlog:,}{'+' if entry.backlog_is_minimum is True else ''}"


def _oldest(entry: TypeStatus) -> str:
    return "–" if entry.oldest_age_s is None else output.age(entry.oldest_age_s)
