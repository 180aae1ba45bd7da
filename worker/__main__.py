"""The command line of hookbus-worker."""

from .. import _start

if __name__ == "__main__":  # `python -m`: prepare the process before the imports below, as the console script does
    _start.worker()

from typing import Final

from ..shared import command_line
from ..shared.lazy_commands import Lazy, lazy_app

COMMANDS: Final = {
    "run": Lazy("run:run", "Run handlers until SIGTERM or Ctrl-C."),
    "console": Lazy("console:console", "Serve a console in the browser; loopback by default."),
    "exporter": Lazy("exporter:exporter", "Serve metrics of the whole bus; one per bus."),
    "status": Lazy("status:status", "Show what waits, runs, failed or is dead, by group."),
    "processes": Lazy("processes:processes", "Show who is there, and what each holds."),
    "find": Lazy("find:find", "Tell where an event is, in every group."),
    "check": Lazy("check:check", "Check configuration, apps and Redis."),
    "statistics": Lazy("statistics:statistics", "Show what each group did, and how long it took."),
    "actions": Lazy("actions:actions", "Show who changed what, when and why."),
    "pause": Lazy("paused:pause", "Suspend delivery to a group, or of a type of it."),
    "resume": Lazy("paused:resume", "Resume delivery; ends breakers and holds, too."),
    "dlq": Lazy("dlq:app", "List, show, redrive and discard dead letters, and more."),
    "retries": Lazy("retries:app", "List, show, hasten and dead-letter what waits."),
    "replay": Lazy("replay:replay", "Deliver retained events to a group again."),
    "forget": Lazy("forget:forget", "Remove a group, or one type of it, for good."),
    "verify": Lazy("verify:verify", "Prove that a deployment loses no event."),
}
"""In the order of `--help`, each with its place in `worker/cli` and a summary that fits into one line there."""

app = lazy_app(
    "hookbus-worker",
    "Runs handlers, and inspects and repairs their deliveries.",
    package="hookbus.worker.cli",
    commands=COMMANDS,
)


def main() -> None:
    """Entry point of the console script."""
    command_line.run(app, "hookbus-worker")


@app.callback()
def commands(_version: command_line.Version = False) -> None:
    """Runs handlers, and inspects and repairs their deliveries."""
