"""The command line of hookbus-ingest."""

from pathlib import Path
from typing import Annotated

import typer

from ingest.settings import SECRET_VARIABLE, IngestSettings, load_settings
from shared import command, log
from shared.settings import ConfigError

app = command.typer_app("hookbus-ingest", "Receives signed webhooks and stores them in Redis.")

Config = Annotated[Path | None, typer.Option(help="Settings file; hookbus.toml if it is there.")]


def main() -> None:
    """Entry point of the console script."""
    command.run(app, "hookbus-ingest")


def needs_sources(settings: IngestSettings) -> IngestSettings:
    """The settings, if there is anybody to receive from. Raises ConfigError."""
    if not settings.sources:
        raise ConfigError([f"ingest.sources: none; set {SECRET_VARIABLE}, or configure [ingest.sources.NAME]"])
    return settings


@app.callback()
def commands() -> None:
    """Receives signed webhooks and stores them in Redis."""


@app.command()
def serve(
    config: Config = None,
    listen: Annotated[str | None, typer.Option(help="host:port of the webhook endpoint.")] = None,
    ops_listen: Annotated[str | None, typer.Option(help="host:port of health and metrics.")] = None,
    unsafe_redis: Annotated[
        bool, typer.Option("--unsafe-redis", help="Development: do not insist on a durable Redis.")
    ] = False,
) -> None:
    """Receive webhooks until SIGTERM or Ctrl-C."""
    from ingest.app import serve as serve_until

    overrides = {"listen": listen, "ops_listen": ops_listen, "unsafe_redis": unsafe_redis or None}
    settings = needs_sources(load_settings(config, overrides=overrides))
    log.configure(settings.log_level)
    command.run_service(lambda stopping: serve_until(settings, stopping))


if __name__ == "__main__":
    main()
