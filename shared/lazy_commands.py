"""Commands that are imported when they run: help, completion and a misspelt name need no more than a table of them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import typer
from typer.core import TyperGroup

from .command_line import typer_app
from .importing import imported


class Lazy(NamedTuple):
    """A command, or a group of them, by `module:attribute`, and its line in the help of the program."""

    place: str
    summary: str


def lazy_app(name: str, about: str, *, package: str, commands: Mapping[str, Lazy]) -> typer.Typer:
    """A typer app of these commands, whose modules are in `package`."""

    class Group(TyperGroup):
        """Replaces the stub of a command by the command when it is about to run, or its options to be completed."""

        def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
            found, stub, rest = super().resolve_command(ctx, args)
            return found, stub if found is None else _load(found, package, commands[found].place), rest

    app = typer_app(name, about, cls=Group, add_completion=True)
    for each, command in commands.items():
        app.command(each, help=command.summary)(_stub)
    return app


def _stub() -> None:
    """Stands for a command that is not imported."""


def _load(name: str, package: str, place: str) -> Any:
    module, _, attribute = place.partition(":")
    found = getattr(imported(f"{package}.{module}"), attribute)
    if isinstance(found, typer.Typer):
        return typer.main.get_command(found)
    app = typer_app(name, "")
    app.command(name)(found)
    return typer.main.get_command(app)
