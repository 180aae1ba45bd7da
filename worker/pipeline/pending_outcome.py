"""An outcome with everything needed to write it, and the script call that writes it."""

from typing import Final

import msgspec
from msgspec.structs import replace

from ...shared import entry, memory, scripts
from ...shared.entry import Failure
from ...shared.keys import listed_as
from ..api.decision import MAX_WAIT_S
from ..api.delivery import InFlight
from . import dead_letter, recovered
from .cause import Cause
from .outcome import Ack, DeadLetter, Outcome, Park
from .slots import Slots

Owner = tuple[str, str, bytes, str]
"""Group, consumer, entry id, and how a redelivery stream is listed: the first ARGV of every such script."""

UNWRITTEN_MS: Final = 10_000
"""How long a dead letter that Redis has no memory for is kept before its delivery runs again."""


class PendingOutcome(msgspec.Struct, frozen=True, eq=False):
    """An outcome on its way to Redis. `ended_at_ms` is Unix ms; `slots` are updated once it is written."""

    in_flight: InFlight
    outcome: Outcome
    slots: Slots
    duration_s: float
    ended_at_ms: int
    was_sent: bool = False
    """Sent before, but the reply was lost: the outcome may have been written."""

    was_refused: bool = False
    """Redis refused the outcome before."""

    past_the_limit: bool = False
    """Write the outcome although Redis has reached its memory limit."""

    @property
    def due_ms(self) -> int:
        """When the next attempt of a parked delivery is due, Unix ms."""
        assert isinstance(self.outcome, Park)
        return self.ended_at_ms + round(min(self.outcome.wait_s, MAX_WAIT_S) * 1000)

    def may_run_again(self, now_ms: int) -> bool:
        """Whether an outcome that Redis refuses may be dropped: the delivery then stays pending and runs again.

        Not before the next attempt is due, and never for a delivery that was taken over: only this process has its
        deaths.
        """
        due_ms = self.due_ms if isinstance(self.outcome, Park) else self.ended_at_ms + UNWRITTEN_MS
        return self.in_flight.times_delivered == 1 and now_ms >= due_ms

    def history(self, consumer: str) -> tuple[Failure, ...]:
        """The delivery's history with this attempt."""
        if isinstance(self.outcome, Ack):
            return self.in_flight.entry.history
        before, times, since_ms = self.in_flight.entry.history, 0, 0
        if isinstance(self.outcome, Park) and self.outcome.is_snooze:
            times, since_ms = 1, self.ended_at_ms
            if before and before[-1].times:  # a week of snoozes is one line, and does not displace the failures
                before, times, since_ms = before[:-1], before[-1].times + 1, before[-1].since_ms
        failure = Failure(
            self.in_flight.entry.attempt,
            self.ended_at_ms,
            round(self.duration_s * 1000),
            consumer,
            str(self.outcome.cause)[: entry.ERROR_CHARS],
            times,
            since_ms,
        )
        return (*before, failure)[-entry.HISTORY_KEPT :]

    def plain(self, why: Cause) -> "PendingOutcome":
        """A dead letter in place of an outcome that cannot be encoded, without the fields that may be at fault."""
        reason = self.outcome.reason if isinstance(self.outcome, DeadLetter) else "attempts_exhausted"
        cause = Cause("UnwritableOutcome", f"the outcome of the last attempt cannot be written: {why}")
        in_flight = replace(self.in_flight, entry=replace(self.in_flight.entry, history=()))
        return replace(self, in_flight=in_flight, outcome=DeadLetter(reason, cause), duration_s=0.0)

    def call(self, consumer: str, term: str = "", recovered_most: int = 0) -> scripts.Call:
        """The script call that writes the outcome; the ack of an event in the same term needs none.

        The script checks that `consumer` still owns a delivery that is parked or dead-lettered. If the delivery was
        read in another term than `term`, the script also checks that the entry is still the same event.
        `recovered_most`: how many recovered deliveries are remembered.
        """
        in_flight = self.in_flight
        group = in_flight.delivery.group
        listed = listed_as(in_flight.delivery.type, group) if in_flight.is_own_stream else ""
        owner = (group, consumer, in_flight.entry_id, listed)
        history = self.history(consumer)
        match self.outcome:
            case Ack():
                call = self._ack(owner, recovered_most)
            case Park() as park:
                call = self._park(park, owner, history)
            case DeadLetter() as dead:
                call = self._dead_letter(owner, dead_letter.write(in_flight, dead, history, self.ended_at_ms))
        if in_flight.term != term:
            args = (*call.args, in_flight.delivery.webhook_id)
            call = replace(call, script=scripts.of_the_same(call.script), args=args)
        return replace(call, script=scripts.past_the_limit(call.script)) if self.past_the_limit else call

    @property
    def _began_ms(self) -> int:
        """When the first attempt of this round began, Unix ms."""
        return max(0, self.in_flight.entry.since_ms or self.ended_at_ms - round(self.duration_s * 1000))

    def redelivery(self, history: tuple[Failure, ...]) -> list[bytes]:
        """The fields of the stream entry for the next attempt of a parked delivery."""
        assert isinstance(self.outcome, Park)
        before = self.in_flight.entry
        snoozes = before.snoozes + self.outcome.is_snooze
        return entry.redelivery_fields(before, before.attempt + 1, history, snoozes=snoozes, since_ms=self._began_ms)

    def _park(self, park: Park, owner: Owner, history: tuple[Failure, ...]) -> scripts.Call:
        in_flight, group = self.in_flight, self.in_flight.delivery.group
        keys = in_flight.keys
        parked = keys.delayed(group), keys.delayed_data(group), keys.snoozed(group), keys.due
        names = (in_flight.stream, *parked, keys.redeliveries)
        since: str | int = self._began_ms if park.is_snooze else ""
        args = (in_flight.name, self.due_ms, since)
        return scripts.Call(scripts.PARK, names, (*owner, *args, *self.redelivery(history)))

    def _ack(self, owner: Owner, recovered_most: int) -> scripts.Call:
        in_flight = self.in_flight
        if recovered_most and in_flight.entry.history and recovered.is_one(in_flight, self.outcome):
            return self._recover(owner, recovered_most)
        return scripts.Call(scripts.ACK, (in_flight.stream, in_flight.keys.redeliveries), owner)

    def _recover(self, owner: Owner, most: int) -> scripts.Call:
        in_flight, group = self.in_flight, self.in_flight.delivery.group
        keys = in_flight.keys
        names = (in_flight.stream, keys.recovered(group), keys.recovered_data(group), keys.redeliveries)
        record = recovered.record(in_flight, owner[1], self.ended_at_ms, self.duration_s)
        name = recovered.name_of(in_flight.entry.source, in_flight.entry.webhook_id)
        kept = (name, self.ended_at_ms, record, most, str(memory.NEARLY_FULL))
        return scripts.Call(scripts.RECOVER, names, (*owner, *kept))

    def _dead_letter(self, owner: Owner, record: dead_letter.DeadLetterRecord) -> scripts.Call:
        keys, group = self.in_flight.keys, record.group
        names = (
            self.in_flight.stream,
            keys.dead(group),
            keys.dead_data(group),
            keys.dead_fingerprint(group, record.fingerprint),
            keys.dead_fingerprints(group),
            keys.deaths(group),
            keys.redeliveries,
        )
        letter = (record.webhook_id, record.dead_lettered_at_ms, dead_letter.encode(record))
        kind = (record.fingerprint, dead_letter.encode(record.kind))
        return scripts.Call(scripts.DEAD_LETTER, names, (*owner, *letter, *kind, self.in_flight.name))
