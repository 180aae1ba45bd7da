"""An outcome together with what is needed to write it down, and the script call that does."""

from dataclasses import dataclass

from shared import entry, scripts
from shared.entry import Failure
from shared.keys import Keys
from worker import letter
from worker.delivery import Held
from worker.outcome import Ack, Bury, Outcome, Park
from worker.slots import Slots


@dataclass(frozen=True, slots=True)
class Settlement:
    """An outcome on its way to Redis. `ended_at_ms` is Unix ms; `slots` are told when it is there."""

    held: Held
    outcome: Outcome
    slots: Slots
    keys: Keys
    duration_s: float
    ended_at_ms: int
    was_sent: bool = False
    """Sent before, but the reply was lost: it may have been written."""

    @property
    def due_ms(self) -> int:
        """When the next attempt of a parked delivery is due, Unix ms."""
        assert isinstance(self.outcome, Park)
        return self.ended_at_ms + round(self.outcome.wait_s * 1000)

    def history(self, consumer: str) -> tuple[Failure, ...]:
        """The delivery's history with this attempt."""
        if isinstance(self.outcome, Ack):
            return self.held.entry.history
        failure = Failure(
            self.held.entry.attempt,
            self.ended_at_ms,
            round(self.duration_s * 1000),
            consumer,
            str(self.outcome.cause)[: entry.ERROR_CHARS],
        )
        return (*self.held.entry.history, failure)[-entry.HISTORY_KEPT :]

    def call(self, consumer: str) -> scripts.Call:
        """The script that parks or buries it, checking first that `consumer` still owns it."""
        held, keys, group = self.held, self.keys, self.held.delivery.group
        owner = (group, consumer, held.entry_id, int(held.is_own_stream))
        if isinstance(self.outcome, Park):
            fields = entry.redelivery_fields(held.entry, held.entry.attempt + 1, self.history(consumer))
            return scripts.Call(
                scripts.PARK,
                (held.stream, keys.delayed(group), keys.delayed_data(group)),
                (*owner, held.name, self.due_ms, *fields),
            )
        assert isinstance(self.outcome, Bury)
        record = letter.write(held, self.outcome, self.history(consumer), self.ended_at_ms)
        return scripts.Call(
            scripts.BURY,
            (
                held.stream,
                keys.dead(group),
                keys.dead_data(group),
                keys.dead_fingerprint(group, record.fingerprint),
                keys.dead_fingerprints(group),
                keys.deaths(group),
            ),
            (
                *owner,
                record.webhook_id,
                record.died_at_ms,
                letter.encode(record),
                record.fingerprint,
                letter.encode(record.kind),
                held.name,
            ),
        )
