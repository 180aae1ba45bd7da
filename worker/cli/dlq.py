"""The options of `hookbus-worker dlq`. `dlq_look`, `dlq_move` and `dlq_file` implement its commands."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ...shared import command_line
from ..dlq.filter import Filter
from . import filters
from .options import All, Config, DryRun, Json, Limit, Rate, Yes
from .recorded import Why


class Commands(TyperGroup):
    """Names the command that other tools call `retry`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """As its base; a UsageError says which name was meant."""
        if args[:1] == ["retry"]:
            ctx.fail("No such command 'retry'. Did you mean 'redrive'?")
        return super().resolve_command(ctx, args)


app = command_line.typer_app("dlq", "List, show, redrive, discard, export and import dead letters.", cls=Commands)


@app.command("list")
@filters.by(filters.letters)
def list_(
    criteria: Filter,
    limit: Limit = 50,
    before: Annotated[str, typer.Option(help="Continue a list: the value that its last line names.")] = "",
    as_json: Json = False,
    config: Config = None,
) -> None:
    """List the newest dead letters."""
    from . import dlq_look

    asyncio.run(dlq_look.show_list(config, criteria, limit, before, as_json))


@app.command("groups")
@filters.by(filters.causes)
def groups(criteria: Filter, limit: Limit = 50, as_json: Json = False, config: Config = None) -> None:
    """Count dead letters by fingerprint (same cause), most first."""
    from . import dlq_look

    asyncio.run(dlq_look.show_groups(config, criteria, limit, as_json))


@app.command()
def show(
    letter: Annotated[str, typer.Argument(metavar="ID", help="The letter's webhook-id, or its beginning.")],
    group: Annotated[str, typer.Option(help="Required when several groups have a letter of this id.")] = "",
    body: Annotated[bool, typer.Option("--body", help="Write only the body, byte for byte.")] = False,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Show everything about one dead letter."""
    from . import dlq_look

    if body and as_json:
        raise typer.BadParameter("--body writes raw bytes and cannot be combined with --json")
    criteria = Filter(groups=(group,) if group else (), names=(letter,))
    asyncio.run(dlq_look.show_one(config, criteria, body, as_json))


@app.command()
@filters.by(filters.letters)
def redrive(
    criteria: Filter,
    every: All = False,
    rate: Rate = 0,
    include_unsubscribed: Annotated[
        bool, typer.Option("--include-unsubscribed", help="Also redrive types that their group does not subscribe to.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    why: Why = "",
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Send dead letters back to their group, oldest first; attempts count from 1."""
    from . import dlq_move
    from .moving import Terms

    terms = Terms(config, rate, dry_run, as_json, yes, why)
    move = dlq_move.REDRIVE
    raise typer.Exit(dlq_move.run(move, criteria, terms, is_all=every, include_unsubscribed=include_unsubscribed))


@app.command()
@filters.by(filters.letters)
def discard(
    criteria: Filter,
    every: All = False,
    rate: Rate = 0,
    dry_run: DryRun = False,
    yes: Yes = False,
    why: Why = "",
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Delete dead letters for good. Asks first."""
    from . import dlq_move
    from .moving import Terms

    terms = Terms(config, rate, dry_run, as_json, yes, why)
    raise typer.Exit(dlq_move.run(dlq_move.DISCARD, criteria, terms, is_all=every))


@app.command()
@filters.by(filters.letters)
def export(
    criteria: Filter,
    file: Annotated[Path | None, typer.Option(help="File to write; standard output by default.")] = None,
    config: Config = None,
    _json: Json = False,
) -> None:
    """Write dead letters as JSON Lines, oldest first; they stay in the dead-letter queue."""
    from . import dlq_file

    dlq_file.export(config, criteria, file)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A file that export wrote; - reads standard input.")] = Path("-"),
    why: Why = "",
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Put exported dead letters back; existing ones are not changed."""
    from . import dlq_file

    dlq_file.import_(config, file, as_json, why)
