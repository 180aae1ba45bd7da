"""Commands as text, for a person to paste into a shell. Pure."""

import shlex
from collections.abc import Iterable


def command(words: Iterable[str]) -> str:
    """Words quoted for bash, zsh and ksh; control and invisible characters as escapes, which a terminal shows and a
    page can copy."""
    return " ".join(shlex.quote(word) if word.isprintable() else _escaped(word) for word in words)


def _escaped(word: str) -> str:
    """A word in `$'…'`."""
    return "$'" + "".join(map(_character, word)) + "'"


def _character(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
