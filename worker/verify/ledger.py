"""The ledger of one verify run: records the posts and deliveries of each event. Pure.

Events are identified by number; times are seconds of one monotonic clock. A million events take 30 MB.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from ...shared.posting import Answer

NEVER: Final = -1.0


def is_accepted(answer: Answer) -> bool:
    """Whether ingest stored the event; a 200 without its code comes from another server."""
    return answer.status == 200 and answer.code in ("accepted", "duplicate")


class Ledger:
    """Running counts. `name` is the run's name, and part of the webhook-ids of its events."""

    def __init__(self, name: str, count: int) -> None:
        self.name = name
        self.count = count
        self.posted = 0
        """Events posted at least once."""
        self.accepted = 0
        self.handled = 0
        """Events handled at least once, accepted or not."""
        self.due = 0
        """Events accepted and not handled yet."""
        self.answers: Counter[tuple[int, str]] = Counter()
        self.accept_ms = array("d")
        """Durations of the accepted posts."""
        self._accepted_s = array("d", [NEVER]) * count
        self._handled_s = array("d", [NEVER]) * count
        self._deliveries = array("L", [0]) * count
        self._posts = array("L", [0]) * count
        self._unanswered = array("L", [0]) * count

    def webhook_id(self, number: int) -> str:
        """The webhook-id of an event."""
        return f"wh_{self.name}_{number}"

    def answer(self, number: int, answer: Answer, at_s: float) -> None:
        """Record the result of a post: an answer, or none."""
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
        """Record that an event was handled. Webhook-ids that are not of this run are ignored."""
        number = self._number(webhook_id)
        if number is None:
            return
        self._deliveries[number] += 1
        if self._deliveries[number] == 1:
            self._handled_s[number] = at_s
            self.handled += 1
            self.due -= self._accepted_s[number] != NEVER

    def delay_ms(self) -> Iterator[float]:
        """Yield the ms from the 200 to the handler of each event that had both; 0 if it was handled before the 200."""
        for accepted_s, handled_s in zip(self._accepted_s, self._handled_s, strict=True):
            if NEVER not in (accepted_s, handled_s):
                yield max(0.0, handled_s - accepted_s) * 1000

    def missing(self) -> list[str]:
        """Webhook-ids of events accepted and not handled."""
        return self._select(lambda number: not self._deliveries[number] and self._accepted_s[number] != NEVER)

    def duplicate(self) -> list[str]:
        """Webhook-ids of events handled more than once."""
        return self._select(lambda number: self._deliveries[number] > 1)

    def unknown(self) -> list[str]:
        """Webhook-ids of events neither accepted nor handled, with an unanswered post: they may be stored."""
        return self._select(lambda number: self._is_open(number) and self._unanswered[number] > 0)

    def refused(self) -> list[str]:
        """Webhook-ids of events neither accepted nor handled, of which every post was refused."""
        return self._select(lambda number: self._is_open(number) and not self._unanswered[number])

    def _is_open(self, number: int) -> bool:
        return self._posts[number] > 0 and not self._deliveries[number] and self._accepted_s[number] == NEVER

    def _select(self, matches: Callable[[int], bool]) -> list[str]:
        return [self.webhook_id(number) for number in range(self.count) if matches(number)]

    def _number(self, webhook_id: str) -> int | None:
        digits = webhook_id.removeprefix(self.webhook_id(0)[:-1])
        if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
            return None
        number = int(digits)
        return number if number < self.count and self.webhook_id(number) == webhook_id else None
