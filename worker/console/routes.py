"""Which page is at which path. A GET changes nothing."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import unquote

from ..audit import ID
from . import upload
from .asked import Page
from .pages import (
    actions,
    dead,
    event,
    events,
    export,
    group,
    health,
    imports,
    job,
    letter,
    overview,
    pausing,
    plan,
    processes,
    rejected,
    retries,
    sending,
)

NAME: Final = r"[A-Za-z0-9_.-]{1,128}"
"""Of a group, as `shared.keys.is_name` has it."""


class Route(NamedTuple):
    """A method, a path with its named parts, and the page there."""

    method: str
    path: re.Pattern[str]
    page: Page


def _get(path: str, page: Page) -> Route:
    return Route("GET", re.compile(path), page)


def _post(path: str, page: Page) -> Route:
    """For operators; a plan changes nothing, but is as private as what follows."""
    return Route("POST", re.compile(path), page)


ROUTES: Final = (
    _get(r"/", overview.page),
    _get(rf"/groups/(?P<group>{NAME})", group.page),
    _get(r"/dead", dead.page),
    _get(rf"/dead/(?P<group>{NAME})/(?P<name>[^/]+)", letter.page),
    _get(rf"/dead/(?P<group>{NAME})/(?P<name>[^/]+)/body", letter.body),
    _get(r"/export", export.page),
    _get(r"/retries", retries.page),
    _get(r"/events", events.page),
    _get(r"/event", event.page),
    _get(r"/event/body", event.body),
    _get(r"/processes", processes.page),
    _get(r"/rejected", rejected.page),
    _get(r"/actions", actions.page),
    _get(rf"/jobs/(?P<id>{ID})", job.page),
    _get(r"/health", health.page),
    _post(upload.PATH, imports.page),
    _post(rf"/groups/(?P<group>{NAME})/pause", pausing.pause),
    _post(rf"/groups/(?P<group>{NAME})/resume", pausing.resume),
    _post(r"/events/send", sending.page),
    _post(r"/plan", plan.page),
    _post(r"/run", job.run),
    _post(rf"/jobs/(?P<id>{ID})/stop", job.stop),
    _post(rf"/jobs/(?P<id>{ID})/go-on", job.go_on),
)


def find(method: str, path: str) -> tuple[Page, Mapping[str, str]] | None:
    """The page at a path as it was sent, and the named parts of that; None where there is none."""
    for route in ROUTES:
        if route.method == method and (match := route.path.fullmatch(path)):
            return route.page, {key: unquote(text, errors="replace") for key, text in match.groupdict().items()}
    return None
