"""A request as the pages see it, and what they draw from."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ...shared.command import FailedError
from ...shared.connection import Redis
from ..audit import ID, Action
from .jobs import Jobs
from .look import Look
from .looker import Looker
from .person import Person
from .searches import Searches
from .sending import Sending
from .tail import Tail
from .templates import Templates
from .upload import Upload
from .view import Download, Redirect, View

WHY_CHARS: Final = 200

_DIGITS = re.compile("[0-9]{1,16}")
"""Beyond that Redis' scores, which are doubles, are not exact, and Python reads numbers of 4,300 digits at most."""


class ForbiddenError(FailedError):
    """The person may not see this: 403."""


class WrongQueryError(FailedError):
    """Part of an address or a form is not what it should be: 400."""


def is_number(text: str) -> bool:
    """Whether a text is a number that Redis and Python can take."""
    return _DIGITS.fullmatch(text) is not None


def milliseconds(text: str) -> int:
    """A number of an address or a form, such as a moment. Raises WrongQueryError."""
    if not is_number(text):
        raise WrongQueryError(f"{text!r} is no number of milliseconds")
    return int(text)


def place(text: str) -> tuple[int, str] | None:
    """Where a page goes on: the time and name of the last row before, as an address has them, `ms,name`; None at the
    beginning. Raises WrongQueryError."""
    if not text:
        return None
    at_ms, _, name = text.partition(",")
    return milliseconds(at_ms), name


def entry_id(text: str, of: str) -> str:
    """The id of a stream's entry, such as of an action, from an address; "" for none. Raises WrongQueryError."""
    if text and not re.fullmatch(ID, text):
        raise WrongQueryError(f"{text!r} is no id of an {of}")
    return text


@dataclass(frozen=True, slots=True)
class Asked:
    """`path` holds the parts of the path that a route names, `query` and `form` one value of each parameter.

    `is_asked_here`: as `guard.is_asked_here` tells. `sees_bodies`: whether the person may see what senders sent and
    handlers said: bodies, tracebacks, and all that is downloaded of them.
    """

    person: Person
    is_asked_here: bool
    sees_bodies: bool
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    upload: Upload | None = None
    """The file of a form that has one, not yet read."""

    @property
    def why(self) -> str:
        """The reason that a form gives, for the audit."""
        return self.form.get("why", "").strip()[:WHY_CHARS]

    def action(self, verb: str, criteria: Mapping[str, list[str]], matching: int | None = None) -> Action:
        """What this form asks for, as the audit has it."""
        return Action(
            verb=verb,
            who=self.person.name,
            role=self.person.role,
            via="console",
            criteria=dict(criteria),
            matching=matching,
            why=self.why,
        )

    def require_bodies(self) -> None:
        """Raise ForbiddenError unless the person may see bodies."""
        if not self.sees_bodies:
            raise ForbiddenError("bodies are not for everybody here: see worker.console_bodies")


@dataclass(frozen=True, slots=True)
class Context:
    """What the pages draw from."""

    client: Redis
    shards: int
    looker: Looker
    templates: Templates
    jobs: Jobs
    searches: Searches
    tail: Tail
    importing: asyncio.Lock
    """Held by the import that runs."""
    sending: Sending | None
    """None where no test events are sent."""
    look: Look


Page = Callable[[Context, Asked], Awaitable[View | Download | Redirect]]
