"""A request as the pages see it, and what they draw from."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from ...shared.connection import Redis
from .jobs import Jobs
from .look import Look
from .looker import Looker
from .templates import Templates
from .view import Download, Redirect, View


@dataclass(frozen=True, slots=True)
class Asked:
    """`path` holds the parts of the path that a route names, `query` and `form` one value of each parameter."""

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Context:
    """What the pages draw from."""

    client: Redis
    shards: int
    looker: Looker
    templates: Templates
    jobs: Jobs
    look: Look


Page = Callable[[Context, Asked], Awaitable[View | Download | Redirect]]
