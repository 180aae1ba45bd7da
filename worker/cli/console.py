"""`hookbus-worker console`."""

from typing import Annotated, get_args

import typer

from ...shared import command
from ...shared.settings import ConfigError, Option
from ..console.person import Role
from ..settings import load_settings
from .options import Config


def console(
    config: Config = None,
    listen: Annotated[str | None, typer.Option(help="host:port of the pages.")] = None,
    role: Annotated[
        str | None,
        typer.Option(help="viewer, or operator: may change something.", autocompletion=lambda: get_args(Role)),
    ] = None,
) -> None:
    """Serve pages about the whole bus to browsers on this machine until SIGTERM or Ctrl-C."""
    try:
        from ..console.run import Console
    except ImportError as error:
        if error.name not in ("jinja2", "markupsafe"):
            raise
        raise ConfigError([f"console: {error.name} is missing: pip install 'hookbus[console]'"]) from None
    overrides = {"console_listen": Option("--listen", listen), "console_role": Option("--role", role)}
    settings = load_settings(config, overrides=overrides)
    command.start_log("hookbus-worker console", settings.log_level)
    command.run_service(lambda stopping: Console(settings, stopping).run())
