"""The options of `hookbus-worker dlq`. `dlq_look`, `dlq_move`, `dlq_recall` and `dlq_file` implement its commands."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from ...shared import command, output
from . import options
from .options import All, Config, DryRun, Fingerprints, Groups, Json, Limit, Names, Rate, Reasons, Since, Types, Until
from .recorded import Why

app = command.typer_app("dlq", "List, show, redrive, recall, discard, export and import dead letters.")


@app.command("list")
def list_(
    group: Groups = None,
    type_: Types = None,
    reason: Reasons = None,
    fingerprint: Fingerprints = None,
    since: Since = "",
    until: Until = "",
    id_: Names = None,
    limit: Limit = 50,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """List the newest dead letters."""
    from . import dlq_look

    criteria = options.criteria(group, type_, reason, fingerprint, since, until, id_)
    asyncio.run(dlq_look.show_list(config, criteria, limit, as_json))


@app.command("groups")
def groups(
    group: Groups = None,
    type_: Types = None,
    reason: Reasons = None,
    fingerprint: Fingerprints = None,
    since: Since = "",
    until: Until = "",
    limit: Limit = 50,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Count dead letters by fingerprint (same cause), most first."""
    from . import dlq_look

    criteria = options.criteria(group, type_, reason, fingerprint, since, until)
    asyncio.run(dlq_look.show_groups(config, criteria, limit, as_json))


@app.command()
def show(
    letter: Annotated[str, typer.Argument(metavar="ID", help="The letter's webhook-id.")],
    group: Annotated[str, typer.Option(help="Required when several groups have a letter of this id.")] = "",
    body: Annotated[bool, typer.Option("--body", help="Write only the body, byte for byte.")] = False,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Show everything about one dead letter."""
    from . import dlq_look

    if body and as_json:
        raise typer.BadParameter("--body writes raw bytes and cannot be combined with --json")
    criteria = options.criteria([group] if group else None, names=[letter])
    asyncio.run(dlq_look.show_one(config, criteria, body, as_json))


@app.command()
def redrive(
    group: Groups = None,
    type_: Types = None,
    reason: Reasons = None,
    fingerprint: Fingerprints = None,
    since: Since = "",
    until: Until = "",
    id_: Names = None,
    every: All = False,
    rate: Rate = 0,
    include_unsubscribed: Annotated[
        bool, typer.Option("--include-unsubscribed", help="Also redrive types that their group does not subscribe to.")
    ] = False,
    dry_run: DryRun = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask. It never asks with --id or without a terminal.")
    ] = False,
    why: Why = "",
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Send dead letters back to their group, oldest first; attempts count from 1."""
    from . import dlq_move

    criteria = options.criteria(group, type_, reason, fingerprint, since, until, id_)
    order = dlq_move.Order(dlq_move.REDRIVE, criteria, rate, dry_run, as_json, why, include_unsubscribed)
    asks = not (yes or dry_run or id_) and output.can_ask()
    raise typer.Exit(dlq_move.run(config, order, is_all=every, asks=asks))


@app.command()
def recall(
    group: Groups = None,
    type_: Types = None,
    dry_run: DryRun = False,
    why: Why = "",
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Turn redeliveries of types that their group does not subscribe to back into dead letters."""
    from . import dlq_recall

    order = dlq_recall.Order(tuple(group or ()), tuple(type_ or ()), dry_run, as_json, why)
    raise typer.Exit(dlq_recall.run(config, order))


@app.command()
def discard(
    group: Groups = None,
    type_: Types = None,
    reason: Reasons = None,
    fingerprint: Fingerprints = None,
    since: Since = "",
    until: Until = "",
    id_: Names = None,
    every: All = False,
    rate: Rate = 0,
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    why: Why = "",
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Delete dead letters for good. Asks first."""
    from . import dlq_move

    criteria = options.criteria(group, type_, reason, fingerprint, since, until, id_)
    order = dlq_move.Order(dlq_move.DISCARD, criteria, rate, dry_run, as_json, why)
    raise typer.Exit(dlq_move.run(config, order, is_all=every, asks=not (yes or dry_run)))


@app.command()
def export(
    group: Groups = None,
    type_: Types = None,
    reason: Reasons = None,
    fingerprint: Fingerprints = None,
    since: Since = "",
    until: Until = "",
    id_: Names = None,
    file: Annotated[Path | None, typer.Option(help="File to write; standard output by default.")] = None,
    config: Config = None,
    _json: Json = False,
) -> None:
    """Write dead letters as JSON Lines, oldest first; they stay in the dead-letter queue."""
    from . import dlq_file

    criteria = options.criteria(group, type_, reason, fingerprint, since, until, id_)
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
