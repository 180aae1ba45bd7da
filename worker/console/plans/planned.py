"""A plan as its page shows it, whatever it moves, and the part of it that a job runs."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from ...dlq.bulk import Tally
from ...dlq.hindrances import Hindrance
from ..verbs import Verb


class Run(Protocol):
    """Moves what was planned."""

    def __call__(
        self, *, rate: float, stopping: asyncio.Event, progressed: Callable[[Tally], None]
    ) -> Awaitable[Tally]:
        """`rate` is moves per second, 0 for no limit; `progressed` hears of each batch, and it ends between two when
        `stopping` is set. Raises FailedError."""
        ...


@dataclass(frozen=True, slots=True)
class Move:
    """What a job runs: `moving` are how many it moves."""

    moving: int
    run: Run


class Row(NamedTuple):
    """Some of what is moved, and why it is where it is."""

    number: int
    title: str
    text: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan of a form. `fields` are its filter, with times that stay: an age would be another one when it runs."""

    verb: Verb
    fields: Mapping[str, str]
    until_ms: int
    """The moment that it is bounded by, Unix ms by Redis' clock."""
    move: Move
    criteria: dict[str, list[str]]
    """The filter as the audit has it."""
    command: str
    """That does the same, for a shell."""
    rows: Sequence[Row]
    hindrances: Sequence[Hindrance] = ()
    unsubscribed: tuple[str, str] | None = None
    """What becomes of one, and of several of those that their group does not subscribe to."""
    is_by_time: bool = False
    """It moves the oldest first, and what it has moved stays where it was."""
    target: str = ""
    """What is taken as a whole."""
    leave: str
    """The address of the page that it came from."""
    bounds: Mapping[str, str] = field(default_factory=dict[str, str])
    """Fields of its form that are no filter, and that nobody reads."""

    @property
    def title(self) -> str:
        """What it does, with its number."""
        counted = self.verb.things.counted(self.move.moving)
        return f"{self.verb.name} {self.target}, with {counted}" if self.target else f"{self.verb.name} {counted}"

    @property
    def has_work(self) -> bool:
        """Whether a run would change anything."""
        return self.verb.is_whole or self.move.moving > 0
