"""Options that take some of a few words: completed by the shell, and checked, by one list."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import typer

from .nearest import did_you_mean


def repeatable(option: str, words: Callable[[], Collection[str]], about: str) -> Any:
    """A filter that takes any of these words, each time that it is given; another word is a usage error."""

    def check(given: list[str] | None) -> list[str] | None:
        known = words()
        for text in given or ():
            if text not in known:
                raise typer.BadParameter(f"{text!r} is none of {', '.join(known)}{did_you_mean(text, known)}")
        return given

    return typer.Option(option, help=about, callback=check, autocompletion=lambda: list(words()))


def source_names(ctx: typer.Context) -> list[str]:
    """The sources in the configuration that the command line names so far; none if it can't be read."""
    from .source_names import configured

    file = ctx.params.get("config")
    return sorted(configured(Path(file) if file else None))
