"""The moves that forms of the console plan and jobs run, in words. Each is the command of the same name, too."""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Things(NamedTuple):
    """What is moved. `names`: one, and several; `bound`: which of them a plan has, before its moment, and which not;
    `left`: what becomes of one that a job has not come to, and of several; `page` shows them."""

    names: tuple[str, str]
    bound: tuple[str, str]
    left: tuple[str, str]
    page: str

    def counted(self, number: int) -> str:
        """A number of them."""
        return f"{number:,} {self.names[number != 1]}"

    def rest(self, number: int) -> str:
        """What becomes of a number of them that a job has not come to."""
        return f"{number:,} {'is' if number == 1 else 'are'} left, and {self.left[number != 1]}"


class Verb(NamedTuple):
    """A move. `action` is its name in the audit and of its command, `name` stands before what it moves.

    `is_final`: it cannot be undone, so a large number is typed before it runs. `is_whole`: it takes all of something,
    also what arrives until then, with no rate, and though that holds nothing."""

    action: str
    name: str
    things: Things
    note: str = ""
    is_final: bool = False
    is_whole: bool = False


LETTERS: Final = Things(
    ("dead letter", "dead letters"),
    ("were dead at", "what dies later is not taken along"),
    ("stays a dead letter", "stay dead letters"),
    "/dead",
)
WAITING: Final = Things(
    ("delivery", "deliveries"),
    ("waited at", "what fails later is not taken along"),
    ("waits as before", "wait as before"),
    "/retries",
)
EVENTS: Final = Things(
    ("event", "events"),
    ("its group had received, stored up to", "later ones are not taken along"),
    ("is not replayed", "are not replayed"),
    "/events",
)
HELD: Final = Things(
    ("delivery or dead letter", "deliveries and dead letters"),
    (
        "were there at",
        "later events go, too; if more is in flight, delayed or dead by then, it refuses",
    ),
    ("goes when it is forgotten again", "go when it is forgotten again"),
    "/",
)
VERBS: Final[Mapping[str, Verb]] = {
    "redrive": Verb("dlq redrive", "Redrive", LETTERS),
    "discard": Verb(
        "dlq discard", "Discard", LETTERS, "Discarded letters are gone for good, with their bodies.", is_final=True
    ),
    "now": Verb("retries now", "Hasten", WAITING, "They are due at once; their attempts count on."),
    "dead-letter": Verb(
        "retries dead-letter", "Dead-letter", WAITING, "No attempt follows; a redrive begins with attempt 1 again."
    ),
    "replay": Verb("replay", "Replay", EVENTS, "The group gets them again, handled or not, marked as replays."),
    "forget": Verb(
        "forget",
        "Forget",
        HELD,
        "All of this is gone for good, with the bodies of its dead letters. Events themselves stay for other groups.",
        is_final=True,
        is_whole=True,
    ),
}
"""By the value that a form has."""
BY_ACTION: Final = {verb.action: verb for verb in VERBS.values()}
