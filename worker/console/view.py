"""What a page returns: a template and its values, not yet drawn."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class View:
    """A template and its values."""

    template: str
    values: Mapping[str, Any]
    title: str
    nav: str = ""
    """The path of the entry in the navigation that the page belongs to."""
    status: int = 200
    is_live: bool = True
    """Whether it is drawn again while it is open; what costs a search is not."""
    every_ms: int = 2000
    """How often, for who has it open."""
    version: str = ""
    """Changes whenever it would be drawn otherwise; "" for a page that changes with the look alone."""


@dataclass(frozen=True, slots=True)
class Download:
    """Bytes to be saved, never shown; `file` is the name that a browser suggests."""

    body: bytes
    file: str


@dataclass(frozen=True, slots=True)
class Redirect:
    """The answer to a form that has changed something: the page to look at, so that a reload repeats nothing."""

    path: str
