"""The command line of hookbus-ingest."""

from .. import _start

if __name__ == "__main__":  # `python -m`: prepare the process before the imports below, as the console script does
    _start.ingest()

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..shared import choices, command_line

if TYPE_CHECKING:
    from .settings import IngestSettings

app = command_line.typer_app(
    "hookbus-ingest", "Receives signed webhooks and stores them in Redis.", add_completion=True
)

Config = Annotated[Path | None, typer.Option(help="Settings file; default: $HOOKBUS_CONFIG, else hookbus.toml.")]


def main() -> None:
    """Entry point of the console script."""
    command_line.run(app, "hookbus-ingest")


@app.callback()
def commands(_version: command_line.Version = False) -> None:
    """Receives signed webhooks and stores them in Redis."""


@app.command()
def serve(
    config: Config = None,
    listen: Annotated[str | None, typer.Option(help="host:port of the webhook endpoint; several with commas.")] = None,
    ops_listen: Annotated[str | None, typer.Option(help="host:port of health and metrics.")] = None,
    unsafe_redis: Annotated[
        bool, typer.Option("--unsafe-redis", help="Development only: accept a Redis that is not durable.")
    ] = False,
) -> None:
    """Receive webhooks until SIGTERM or Ctrl-C."""
    from ..shared import command
    from ..shared.settings import Option
    from .app import serve as serve_until
    from .settings import load_settings

    overrides = {
        "listen": Option("--listen", listen),
        "ops_listen": Option("--ops-listen", ops_listen),
        "unsafe_redis": Option("--unsafe-redis", unsafe_redis or None),
    }

    def read_settings() -> "IngestSettings":
        return load_settings(config, overrides=overrides).required()

    settings = read_settings()
    command.start_log("hookbus-ingest", settings.log_level)
    command.run_service(lambda stopping: serve_until(settings, stopping, read_settings))


def _types() -> list[str]:
    from ..shared.samples import samples

    return sorted(samples())


@app.command()
def send(
    event_type: Annotated[
        str,
        typer.Argument(
            metavar="TYPE", help="Event type, or a pattern of known types such as 'response.*'.", autocompletion=_types
        ),
    ] = "",
    list_types: Annotated[bool, typer.Option("--list", help="Print the known types and exit.")] = False,
    count: Annotated[int, typer.Option(min=1, help="Events of each type.")] = 1,
    rate: Annotated[float, typer.Option(min=0, help="Events per second; 0: no limit.")] = 0,
    concurrency: Annotated[int, typer.Option(min=1, max=1000, help="Concurrent posts.")] = 8,
    duplicate: Annotated[bool, typer.Option("--duplicate", help="Post each event twice, as a retry would.")] = False,
    stale: Annotated[bool, typer.Option("--stale", help="Sign with a timestamp of 10 minutes ago.")] = False,
    bad_signature: Annotated[bool, typer.Option("--bad-signature", help="Sign with another key.")] = False,
    data: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="Set a field of data (JSON).")] = None,
    body: Annotated[Path | None, typer.Option(help="Send these bytes exactly; - reads standard input.")] = None,
    url: Annotated[str, typer.Option(help="URL to post to; default: the source's path.")] = "",
    secret: Annotated[str, typer.Option(help="Secret to sign with; default: the source's first one.")] = "",
    source: Annotated[
        str, typer.Option(help="Source whose path, secret and scheme are used.", autocompletion=choices.source_names)
    ] = "",
    config: Config = None,
) -> None:
    """Post signed test events; exit 0 only if every answer is the expected one."""
    from ..shared.destination import destination
    from .cli import send as send_command
    from .send import Plan
    from .settings import load_settings

    if list_types:
        print("\n".join(_types()))
        return
    if not event_type and body is None:
        raise typer.BadParameter("no event given: pass a TYPE (--list shows them) or --body FILE")
    if body is not None and data:
        raise typer.BadParameter("--data can't be used with --body, which is sent unchanged")
    needs_settings = not (url and secret) or bool(source) or config is not None
    settings = load_settings(config).required() if needs_settings else None
    try:
        to = destination(settings, source, url, secret)
        types, make = send_command.events(event_type, data or [], body, to.type_at)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    plan = Plan(to, make, count * len(types), rate, concurrency, duplicate, stale, bad_signature)
    raise typer.Exit(send_command.run(plan, types))


def _codes() -> tuple[str, ...]:
    from .refusal import CODES

    return CODES


@app.command()
def rejections(
    code: Annotated[
        list[str] | None, choices.repeatable("--code", _codes, "Only rejections with this code (repeatable).")
    ] = None,
    since: Annotated[str, typer.Option(help="Only since: 15m, 2h, 3d ago, or an ISO time (UTC).")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many of the newest to show.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", help="Print new ones as they arrive, until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    config: Config = None,
) -> None:
    """Show the last refused requests and their reasons: header names only, no bodies."""
    from ..shared.times import moment
    from .cli import rejections as rejections_command
    from .settings import load_settings

    moment("--since", since, 0)  # a mistake is told before Redis is asked
    criteria = rejections_command.RejectionFilter(code or [], since, limit)
    rejections_command.run(load_settings(config), criteria, follow=follow, as_json=as_json)


@app.command()
def check(
    config: Config = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check the configuration and Redis, and print what a 200 would promise; exit 78 if the configuration is wrong."""
    from . import check as checking
    from .settings import load_settings

    raise typer.Exit(checking.run(load_settings(config), as_json))
