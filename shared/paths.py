"""The paths that senders post to: which of them a request can have, and which are one path to a proxy."""

import posixpath
from typing import Final

RULE: Final = "must begin with '/' and hold only visible ASCII, without '?', '#' and '%'"


def problem(path: str) -> str:
    """Why requests can't have exactly this path, "" if they can."""
    if not path.startswith("/") or not (path.isascii() and path.isprintable()) or set(path) & set(" ?#%"):
        return RULE
    if {".", ".."} & set(path.split("/")):
        return f"senders resolve its dots: write {plain(path)!r}"
    return ""


def plain(path: str) -> str:
    """A path without doubled and trailing slashes, and with its dots resolved."""
    return posixpath.normpath("/" + path.lstrip("/"))
