"""The options of `hookbus-worker verify`."""

import math
from pathlib import Path
from typing import Annotated

import typer

from ...shared import choices, log
from ...shared.destination import Destination, destination
from ...shared.sources import load_endpoints
from ..settings import load_settings
from .options import Config, Json


def verify(
    url: Annotated[str, typer.Option(help="URL to post to; the source's own path by default.")] = "",
    count: Annotated[int, typer.Option(min=1, max=1_000_000, help="Events to post.")] = 1000,
    rate: Annotated[float, typer.Option(min=0, max=100_000, help="Events per second; 0 for no limit.")] = 100,
    concurrency: Annotated[int, typer.Option(min=1, max=1000, help="Concurrent posts.")] = 32,
    patience: Annotated[
        float, typer.Option(min=0, max=3600, help="Seconds for which an event that is not accepted is posted again.")
    ] = 30,
    wait: Annotated[
        float,
        typer.Option(
            min=0, max=3600, help="Seconds after which an accepted event that is not handled counts as missing."
        ),
    ] = 30,
    source: Annotated[
        str, typer.Option(help="The source whose path, secret and scheme to use.", autocompletion=choices.source_names)
    ] = "",
    secret: Annotated[str, typer.Option(help="Secret to sign with; the source's first one by default.")] = "",
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Prove that a deployment loses no event: post signed events, handle them and compare; exit 1 if any is missing.

    The events have a type and a group of their own, which are removed at the end.
    """
    from ..verify.send import Plan
    from . import verify_run

    for option, value in (("--rate", rate), ("--patience", patience), ("--wait", wait)):
        if not math.isfinite(value):
            raise typer.BadParameter("must be a finite number", param_hint=option)
    settings = load_settings(config)
    log.configure("error")
    plan = Plan(_destination(config, source, url, secret), count, rate, concurrency, patience)
    raise typer.Exit(verify_run.run(settings, plan, wait, as_json))


def _destination(config: Path | None, source: str, url: str, secret: str) -> Destination:
    """Raises ConfigError, typer.BadParameter."""
    endpoints = None if url and secret and not source else load_endpoints(config).required()
    try:
        return destination(endpoints, source, url, secret)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
