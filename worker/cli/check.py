"""`hookbus-worker check`: prints the report of `worker.check` as text or as one JSON object."""

import asyncio
from typing import Annotated

import typer

from ...shared import output, source_names
from ..settings import load_settings
from .options import Config, Json


def check(
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="[MODULE:APP...]", help="The apps to check.", show_default=False)
    ] = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Check configuration, apps and Redis, and list problems with remedies; exit 78 or 1 if workers could not run."""
    from .. import check as checking

    report, examined = asyncio.run(
        checking.examine(load_settings(config), targets or [], source_names.configured(config))
    )
    if as_json:
        output.print_json(report)
    else:
        output.print_lines(checking.lines(report, examined))
    raise typer.Exit(report.exit_code)
