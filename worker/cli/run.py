"""`hookbus-worker run`."""

from typing import Annotated

import typer

from ...shared import command
from ...shared.settings import Option
from ..quarantine.launch import Launch
from ..run import run as run_until
from ..run import run_reloading
from ..settings import load_settings
from .options import Config


def run(
    targets: Annotated[list[str], typer.Argument(metavar="MODULE:APP...", help="Apps to run, or MODULE:FACTORY().")],
    only: Annotated[str, typer.Option(help="Handle only types that match: a type or 'prefix.*'.")] = "",
    config: Config = None,
    ops_listen: Annotated[str | None, typer.Option(help="host:port of health and metrics.")] = None,
    reload: Annotated[bool, typer.Option("--reload", help="Start again when a Python file changes.")] = False,
) -> None:
    """Run handlers until SIGTERM or Ctrl-C."""
    launch = Launch.now(targets, only, config)
    settings = load_settings(config, overrides={"ops_listen": Option("--ops-listen", ops_listen)})
    command.start_log("hookbus-worker", settings.log_level)
    (run_reloading if reload else run_until)(settings, launch)
