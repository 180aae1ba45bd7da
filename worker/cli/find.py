"""The options of `hookbus-worker find`. `find_run` implements it."""

from typing import Annotated

import typer

from .options import Config, Json, moment


def find(
    id_: Annotated[str, typer.Argument(metavar="ID", help="A webhook-id, or an id in a body: evt_…, resp_…")],
    since: Annotated[
        str, typer.Option(help="Read the events stored since: 15m, 2h, 3d ago, or an ISO time (UTC); 4h by default.")
    ] = "",
    every: Annotated[
        bool, typer.Option("--all", help="Read all that Redis holds, not 200,000 events at most.")
    ] = False,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Find an event: when it was stored, and for each group whether it was handled, and if not, why."""
    from . import find_run

    name = id_.strip()
    if not name or not name.isprintable():
        raise typer.BadParameter("an id has at least one character, and no control characters", param_hint="ID")
    since_ms = moment(config, "--since", since, 0) if since else None
    raise typer.Exit(find_run.run(config, name, since_ms, is_all=every, as_json=as_json))
