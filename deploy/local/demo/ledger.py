"""The demo's accounts: compares the posts and their responses with the notes of the handlers."""

from collections import Counter

from deploy.local.demo.book import Book, Note, digest
from deploy.local.demo.plan import GROUPS, Figures, subscribes
from hookbus.shared.posting import Answer


class Ledger:
    """Counts independently of hookbus, which provides only the ids of the dead letters."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._answers: Counter[tuple[int, str]] = Counter()
        self._accepted: dict[str, tuple[str, str]] = {}
        """webhook-id → type and digest of the body."""
        self._ever_dead: dict[str, set[str]] = {group: set() for group in GROUPS}
        self._dead: dict[str, set[str]] = {group: set() for group in GROUPS}

    def add_answer(self, event_type: str, body: bytes, answer: Answer) -> None:
        """Add the response to a post."""
        self._answers[answer.status, answer.code] += 1
        if (answer.status, answer.code) == (200, "accepted"):
            self._accepted[answer.webhook_id] = event_type, digest(body)

    def set_dead(self, group: str, webhook_ids: set[str]) -> None:
        """Set the current dead letters of a group."""
        self._dead[group] = webhook_ids
        self._ever_dead[group] |= webhook_ids

    def attempts(self, webhook_id: str, group: str) -> list[Note]:
        """The starts of one delivery, oldest first."""
        return [n for n in self._book.read() if (n.what, n.webhook_id, n.group) == ("started", webhook_id, group)]

    def handled_at(self, webhook_id: str, group: str) -> Note | None:
        """The note of a group that it has handled an event; None until then."""
        notes = (n for n in self._book.read() if (n.what, n.webhook_id, n.group) == ("handled", webhook_id, group))
        return next(notes, None)

    def handled(self, group: str) -> set[str]:
        """The webhook-ids that a group handled, each with exactly the body that was sent."""
        return {
            note.webhook_id
            for note in self._book.read()
            if note.what == "handled"
            and note.group == group
            and self._accepted.get(note.webhook_id) == (note.type, note.digest)
        }

    def due(self, group: str) -> dict[str, str]:
        """The events that a group must handle: webhook-id → type."""
        return {name: kind for name, (kind, _) in self._accepted.items() if subscribes(group, kind)}

    def missing(self, group: str) -> dict[str, str]:
        """The events that a group must handle and has not handled yet: webhook-id → type."""
        return {name: kind for name, kind in self.due(group).items() if name not in self.handled(group)}

    def strangers(self) -> list[Note]:
        """Notes of events outside of the group's subscriptions, never accepted, or with a changed body."""
        due = {group: self.due(group) for group in GROUPS}
        return [
            note
            for note in self._book.read()
            if note.webhook_id not in due[note.group] or self._accepted[note.webhook_id] != (note.type, note.digest)
        ]

    def figures(self) -> Figures:
        """All counts so far."""
        refused = {code: count for (status, code), count in self._answers.items() if status != 200}
        retries = {
            (n.group, n.webhook_id, n.attempt) for n in self._book.read() if n.what == "started" and n.attempt > 1
        }
        return Figures(
            sent=self._answers.total(),
            accepted=len(self._accepted),
            duplicate=self._answers[200, "duplicate"],
            refused=dict(sorted(refused.items())),
            handled={group: len(self.handled(group)) for group in GROUPS},
            retried=len(retries),
            dead=sum(map(len, self._ever_dead.values())),
            redriven=sum(len(self._ever_dead[group] & self.handled(group)) for group in GROUPS),
            lost=sum(len(self.missing(group).keys() - self._dead[group]) for group in GROUPS),
        )
