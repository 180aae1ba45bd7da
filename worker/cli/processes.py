"""`hookbus-worker processes`: who is there, alive or not, and what each holds."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from rich.text import Text

from ...shared import output
from ...shared.keys import HANDOVER
from ..inspect import processes as inspected
from ..inspect.processes import IngestProcess, Processes, WorkerProcess
from ..inventory.running import Running
from . import blocks, options
from .blocks import Block, block
from .options import Config, Json

SHOWN: Final = 5
"""Subscriptions, and deliveries, that are shown of each process."""


def processes(as_json: Json = False, config: Config = None) -> None:
    """Show the processes of the bus: ingest, workers, and dead consumers with what they still hold; what runs now."""
    found = asyncio.run(_fetch(config))
    if as_json:
        output.print_json(found)
        return
    blocks.show(_blocks(found))


async def _fetch(config: Path | None) -> Processes:
    async with options.connected(config, "processes") as (client, shards):
        return await inspected.fetch(client, shards)


def _blocks(found: Processes) -> list[Block]:
    unusable = [f"unusable key {output.line(key)}: {output.line(reason)}" for key, reason in found.unusable.items()]
    shown = [block(Text(line, "red"), ()) for line in unusable]
    if not found.workers and not found.ingests:
        return [*shown, block(Text("no processes have registered"), ())]
    shown.append(block(Text(_headline(found), "bold"), ()))
    shown += [_of_ingest(each, found.now_ms) for each in sorted(found.ingests, key=lambda each: not each.is_alive)]
    shown += [_of_worker(each, found.now_ms) for each in sorted(found.workers, key=lambda each: not each.is_alive)]
    return shown


def _headline(found: Processes) -> str:
    ingests = [each.is_alive for each in found.ingests]
    workers = [each.is_alive for each in found.workers if each.name != HANDOVER]
    held = sum(each.in_hand for each in found.workers)
    lost = sum(each.in_hand for each in found.workers if not each.is_alive)
    counts = [f"{kind}: {sum(some)} of {len(some)} alive" for kind, some in (("ingest", ingests), ("workers", workers))]
    return " · ".join((*counts, f"{held:,} in hand" + (f", {lost:,} of dead ones" if lost else "")))


def _of_ingest(ingest: IngestProcess, now_ms: int) -> Block:
    state = "" if ingest.is_alive else f"silent for {output.since(ingest.at_ms, now_ms)}"
    state = state or (f"not ready: {ingest.reason}" if ingest.reason else "")
    receives = f"{', '.join(ingest.sources)} at {', '.join(ingest.listen)}, {ingest.durability}"
    about = [_up(ingest.since_ms, now_ms, is_alive=ingest.is_alive), _release(ingest.version), receives]
    return block(_title("ingest", ingest.host, ingest.pid, state), [_joined(about)])


def _of_worker(worker: WorkerProcess, now_ms: int) -> Block:
    groups = [f"{name} ({each.in_hand:,} in hand)" if each.in_hand else name for name, each in worker.groups.items()]
    if worker.name == HANDOVER:
        return block(Text("left to others by a stop"), groups)
    kind = "quarantine" if worker.is_quarantine else "worker"
    about = [_up(worker.since_ms, now_ms, is_alive=worker.is_alive), _release(worker.version), ", ".join(groups)]
    running = _running(worker.running, now_ms) if worker.running else []
    title = _title(kind, worker.host, worker.pid, "" if worker.is_alive else "dead")
    return block(title, [_joined(about), *running])


def _running(running: Running, now_ms: int) -> list[str]:
    """The slots in use, and the deliveries that run longest."""
    lines = [
        f"{used.running:,} of {used.places:,} slots: {used.group} · {used.pattern}"
        + (f" · {used.overdue:,} overdue" if used.overdue else "")
        for used in running.slots[:SHOWN]
    ]
    for each in running.longest[:SHOWN]:
        place = f"{each.group} · {each.type} · {each.webhook_id} · attempt {each.attempt}"
        lines.append(f"{output.since(each.since_ms, now_ms)}: {place}")
    hidden = max(0, len(running.slots) - SHOWN) + max(0, len(running.longest) - SHOWN)
    return [*lines, f"{hidden:,} more: --json"] if hidden else lines


def _title(kind: str, host: str, pid: int, state: str) -> Text:
    """Names the process, and says what is wrong with it."""
    title = output.cell(f"{kind} {host}" + (f" pid {pid}" if pid else ""))
    return title.append(f"  {output.line(state)}", "red") if state else title


def _joined(about: Iterable[str]) -> str:
    return " · ".join(filter(None, about))


def _release(version: str) -> str:
    return version or "release unknown"


def _up(since_ms: int, now_ms: int, *, is_alive: bool) -> str:
    return f"up {output.since(since_ms, now_ms)}" if since_ms and is_alive else ""
