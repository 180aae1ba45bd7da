"""The commands of a program as the shell reaches them: those that are imported when they run, too."""

import shlex
from typing import Any

import typer

import hookbus.ingest.__main__
import hookbus.worker.__main__


def leaves(app: typer.Typer) -> dict[str, Any]:
    """The words of each command, such as `dlq list`, and the command."""
    found: dict[str, Any] = {}
    waiting = [("", typer.main.get_command(app))]
    while waiting:
        words, command = waiting.pop()
        names = getattr(command, "commands", None)
        if names is None:
            found[words] = command
            continue
        context = typer.Context(command)
        waiting += [(f"{words} {name}".strip(), command.resolve_command(context, [name])[1]) for name in names]
    return found


COMMANDS = {
    "hookbus-ingest": leaves(hookbus.ingest.__main__.app),
    "hookbus-worker": leaves(hookbus.worker.__main__.app),
}


def require_command(line: str) -> None:
    """Raises the program's usage error, or KeyError or IndexError, unless a line is a command with its options."""
    program, *args = shlex.split(line.partition(" > ")[0], comments=True)
    words = args.pop(0)
    while words not in COMMANDS[program]:
        words = f"{words} {args.pop(0)}"
    COMMANDS[program][words].make_context(line, args)
