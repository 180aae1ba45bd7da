"""The accounts of one verify run: what became of each of its events. Is told what happened and when, and asks nobody.

Events go by number, times are seconds of one monotonic clock. A million events take 30 MB.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from ...shared.posting import Answer

NEVER: Final = -1.0


def is_accepted(answer: Answer) -> bool:
    """Whether ingest has the event; a 200 of somebody else says nothing."""
    return answer.status == 200 and answer.code in ("accepted", "duplicate")


class Ledger:
    """Counts while it goes on. `name` is the run's, and in the webhook-ids of its events."""

    def __init__(self, name: str, count: int) -> None:
        self.name = name
        self.count = count
        self.posted = 0
        """Events that were posted at least once."""
        self.accepted = 0
        self.handled = 0
        """Events that were handled at least once, accepted or not."""
        self.due = 0
        """Events that were accepted and not handled yet."""
        self.answers: Counter[tuple[int, str]] = Counter()
        self.accept_ms = array("d")
        """How long each post took that was accepted."""
        self._accepted_s = array("d", [NEVER]) * count
        self._handled_s = array("d", [NEVER]) * count
        self._deliveries = array("L", [0]) * count
        self._posts = array("L", [0]) * count
        self._unanswered = array("L", [0]) * count

    def webhook_id(self, number: int) -> str:
        """The webhook-id of an event, by which it is known everywhere else."""
        return f"wh_{self.name}_{number}"

    def answer(self, number: int, answer: Answer, at_s: float) -> None:
        """A post was answered, or never will be."""
        self.answers[answer.status, answer.code] += 1
        self.posted += not self._posts[number]
        self._posts[number] += 1
        self._unanswered[number] += answer.is_unknown
        if is_accepted(answer) and self._accepted_s[number] == NEVER:
            self._accepted_s[number] = at_s
            self.accept_ms.append(answer.latency_ms)
            self.accepted += 1
            self.due += not self._deliveries[number]

    def handle(self, webhook_id: str, at_s: float) -> None:
        """An event was handled. Those of others, who found out the name of the run, do not count."""
        number = self._number(webhook_id)
        if number is None:
            return
        self._deliveries[number] += 1
        if self._deliveries[number] == 1:
            self._handled_s[number] = at_s
            self.handled += 1
            self.due -= self._accepted_s[number] != NEVER

    def delay_ms(self) -> Iterator[float]:
        """From the 200 until it was handled, of each event that was both; 0 for those that were handled before it."""
        for accepted_s, handled_s in zip(self._accepted_s, self._handled_s, strict=True):
            if NEVER not in (accepted_s, handled_s):
                yield max(0.0, handled_s - accepted_s) * 1000

    def missing(self) -> list[str]:
        """Accepted and not handled."""
        return self._those(lambda number: not self._deliveries[number] and self._accepted_s[number] != NEVER)

    def duplicate(self) -> list[str]:
        """Handled more than once."""
        return self._those(lambda number: self._deliveries[number] > 1)

    def unknown(self) -> list[str]:
        """Neither accepted nor handled, and at least one post was not answered: it may be stored."""
        return self._those(lambda number: self._is_open(number) and self._unanswered[number] > 0)

    def refused(self) -> list[str]:
        """Neither accepted nor handled, and every post was refused."""
        return self._those(lambda number: self._is_open(number) and not self._unanswered[number])

    def _is_open(self, number: int) -> bool:
        return self._posts[number] > 0 and not self._deliveries[number] and self._accepted_s[number] == NEVER

    def _those(self, is_one: Callable[[int], bool]) -> list[str]:
        return [self.webhook_id(number) for number in range(self.count) if is_one(number)]

    def _number(self, webhook_id: str) -> int | None:
        digits = webhook_id.removeprefix(self.webhook_id(0)[:-1])
        if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
            return None
        number = int(digits)
        return number if number < self.count and self.webhook_id(number) == webhook_id else None
