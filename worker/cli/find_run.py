"""Runs `hookbus-worker find`: the search with its progress, then the result."""

from pathlib import Path

from rich.status import Status

from ...shared import command, output
from ...shared.clock import now_ms
from ...shared.command import EXIT_FAILED, EXIT_INTERRUPTED, Stopping
from ..find import life, search, words
from ..find.search import Found, Limits
from . import find_tables, options


def run(config: Path | None, name: str, since_ms: int | None, *, is_all: bool, as_json: bool) -> int:
    """Search and print; returns the exit code. Ctrl-C ends the search: what was found until then is printed."""
    limits = search.EVERYTHING if is_all else Limits(since_ms)
    found = Found()

    async def until_done(stopping: Stopping) -> None:
        nonlocal found
        console = output.console(stderr=True)
        async with options.connected(config, "find") as (client, shards):
            with Status("searching", console=console) as status:
                found = await search.find(
                    client,
                    shards,
                    name,
                    limits,
                    progress=lambda so_far: status.update(words.searched(so_far)),
                    stopping=stopping,
                )

    command.run_service(until_done)
    if as_json:
        output.print_json(_fields(name, found))
    else:
        find_tables.show(name, found, now_ms())
    if not found.lives:
        return EXIT_INTERRUPTED if found.is_stopped else EXIT_FAILED
    return 0


def _fields(name: str, found: Found) -> dict[str, object]:
    return {
        "id": name,
        "events": [life.fields(each) for each in found.lives],
        "searched": {
            "events": found.entries,
            "back_to_ms": found.reached_ms,
            "records": found.records,
            "left_out": found.left_out,
            "interrupted": found.is_stopped,
            "complete": found.is_complete,
            "unusable": found.unusable,
        },
    }
