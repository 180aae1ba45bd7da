"""Which page is at which path. A GET changes nothing."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from .asked import Page
from .pages import health, overview


class Route(NamedTuple):
    """A method, a path with its named parts, and the page there."""

    method: str
    path: re.Pattern[str]
    page: Page


def _get(path: str, page: Page) -> Route:
    return Route("GET", re.compile(path), page)


ROUTES: Final = (
    _get(r"/", overview.page),
    _get(r"/health", health.page),
)


def find(method: str, path: str) -> tuple[Page, Mapping[str, str]] | None:
    """The page at a path, and the named parts of that; None where there is none."""
    for route in ROUTES:
        if route.method == method and (match := route.path.fullmatch(path)):
            return route.page, match.groupdict()
    return None
