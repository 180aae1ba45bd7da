"""`hookbus-worker exporter`."""

from typing import Annotated

import typer

from ...shared import command
from ...shared.settings import Option
from ..inspect.exporter import Exporter
from ..settings import load_settings
from .options import Config


def exporter(
    config: Config = None,
    listen: Annotated[str | None, typer.Option(help="host:port of the metrics of the whole bus.")] = None,
) -> None:
    """Serve metrics of the whole bus until SIGTERM or Ctrl-C; run one per bus, beside any number of workers."""
    settings = load_settings(config, overrides={"exporter_listen": Option("--listen", listen)})
    command.start_log("hookbus-worker exporter", settings.log_level)
    command.run_service(lambda stopping: Exporter(settings, stopping).run())
