"""The command line of hookbus-worker."""

from .. import _start

if __name__ == "__main__":  # `python -m`: prepare the process before the imports below, as the console script does
    _start.worker()

from typing import Annotated

import typer

from ..shared import command
from .cli import dlq
from .cli.actions import actions
from .cli.check import check
from .cli.console import console
from .cli.find import find
from .cli.forget import forget
from .cli.options import Config
from .cli.paused import pause, resume
from .cli.processes import processes
from .cli.replay import replay
from .cli.status import status
from .cli.verify import verify
from .settings import load_settings

app = command.typer_app("hookbus-worker", "Runs handlers, and inspects and repairs their deliveries.")


def main() -> None:
    """Entry point of the console script."""
    command.run(app, "hookbus-worker")


@app.callback()
def commands(_version: command.Version = False) -> None:
    """Runs handlers, and inspects and repairs their deliveries."""


@app.command()
def run(
    targets: Annotated[list[str], typer.Argument(metavar="MODULE:APP...", help="Apps to run, or MODULE:FACTORY().")],
    only: Annotated[str, typer.Option(help="Handle only types that match: a type or 'prefix.*'.")] = "",
    config: Config = None,
    ops_listen: Annotated[str | None, typer.Option(help="host:port of health and metrics.")] = None,
    reload: Annotated[bool, typer.Option("--reload", help="Start again when a Python file changes.")] = False,
) -> None:
    """Run handlers until SIGTERM or Ctrl-C."""
    from .quarantine.launch import Launch
    from .run import run as run_until
    from .run import run_reloading

    launch = Launch.now(targets, only, config)
    settings = load_settings(config, overrides={"ops_listen": ops_listen})
    command.start_log("hookbus-worker", settings.log_level)
    (run_reloading if reload else run_until)(settings, launch)


@app.command()
def exporter(
    config: Config = None,
    listen: Annotated[str | None, typer.Option(help="host:port of the metrics of the whole bus.")] = None,
) -> None:
    """Serve metrics of the whole bus until SIGTERM or Ctrl-C; run one per bus, beside any number of workers."""
    from .inspect.exporter import Exporter

    settings = load_settings(config, overrides={"exporter_listen": listen})
    command.start_log("hookbus-worker exporter", settings.log_level)
    command.run_service(lambda stopping: Exporter(settings, stopping).run())


app.command()(status)
app.command()(processes)
app.command()(check)
app.command()(find)
app.command()(console)
app.command()(forget)
app.command()(actions)
app.command()(pause)
app.command()(resume)
app.command()(replay)
app.command()(verify)
app.add_typer(dlq.app)
