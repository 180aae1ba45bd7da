"""The commands of a program as the shell reaches them: those that are imported when they run, too."""

from typing import Any

import typer


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
