"""The life of one event: where it is stored, and for each group the states that it is in. Values, and nothing else.

A group mostly has one state of an event. It has several after a replay: handled once, and waiting again.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from ...shared.dedupe import DAY_MS
from ...shared.entry import Entry, Failure
from ...shared.keys import Keys

SLACK_MS: Final = 600_000
"""By which the clocks of ingest and Redis may differ (a guess): one names the time and day of an event, the other its
entry and the start of a group."""


class State(msgspec.Struct, frozen=True, tag_field="state", omit_defaults=True):
    """What a group has to do with an event, or had."""


class NotSubscribed(State, frozen=True, tag="not_subscribed"):
    """The group does not subscribe to the type, and never received the event."""


class StoredBeforeGroup(State, frozen=True, tag="stored_before_group"):
    """The event is older than the first one that the group takes: it never received it, unless by a replay."""


class NotReached(State, frozen=True, tag="not_reached"):
    """The event waits in its stream. `reached_ms`: when the last event was stored that the group received, Unix ms;
    None if it received none. `because`: what keeps it back, as far as Redis tells."""

    reached_ms: int | None = None
    because: tuple[str, ...] = ()


class InHand(State, frozen=True, tag="in_hand"):
    """Delivered to a consumer, outcome not yet in Redis. `since_ms` is Unix ms.

    `is_alive` false: others take the delivery over within seconds. `is_left`: a stopping consumer left it to the
    others. `is_suspect`: it was in flight in two consumers that died, and runs in quarantine; `deaths` are the
    quarantine processes that died of it. `running_since_ms`: when its handler began, Unix ms; None within its first
    seconds, while the delivery waits for a place, and where the process does not tell.
    """

    consumer: str
    since_ms: int
    is_alive: bool = True
    is_left: bool = False
    is_suspect: bool = False
    deaths: tuple[str, ...] = ()
    running_since_ms: int | None = None
    attempt: int = 1
    is_replay: bool = False
    history: tuple[Failure, ...] = ()


class Retry(State, frozen=True, tag="retry"):
    """Parked until `due_ms`, Unix ms. `attempt` is the coming one."""

    attempt: int
    due_ms: int
    is_snoozed: bool = False
    is_replay: bool = False
    history: tuple[Failure, ...] = ()


class Redelivery(State, frozen=True, tag="redelivery"):
    """A retry that is due, a redrive or a replay: waits in the redelivery stream since `since_ms`, Unix ms."""

    attempt: int
    since_ms: int
    is_replay: bool = False
    history: tuple[Failure, ...] = ()
    because: tuple[str, ...] = ()


class Dead(State, frozen=True, tag="dead"):
    """A dead letter. `letter` is its name."""

    letter: str
    dead_lettered_ms: int
    reason: str
    error: str
    attempts: int


class Discard(msgspec.Struct, frozen=True, omit_defaults=True):
    """An action that named the event's id, and may have discarded its dead letter, at `at_ms` (Unix ms)."""

    at_ms: int
    who: str
    why: str = ""
    is_certain: bool = False


class OtherSource(State, frozen=True, tag="other_source"):
    """Acked without a run, if its workers took then what they take now: only events of `takes`."""

    takes: tuple[str, ...]


class Doubt(msgspec.Struct, frozen=True, omit_defaults=True):
    """What may have happened to a delivery of which nothing is left, other than that it was handled.

    `dropped` and `discarded`: dead letters of the group that retention dropped, and that people discarded; `discards`:
    the actions among them that named the event. `losses`: how often the group lost data. `takes`: the sources that some
    of its workers take alone, without that of the event.
    """

    dropped: int = 0
    discarded: int = 0
    losses: int = 0
    discards: tuple[Discard, ...] = ()
    takes: tuple[str, ...] = ()


class Handled(State, frozen=True, tag="handled"):
    """Nothing is left to do: it was delivered, and is neither in hand nor parked, redelivered or dead.

    `is_trimmed`: no longer stored, so whether the group received it follows only from its subscriptions. `doubt`: what
    else may have happened, None for nothing.
    """

    is_trimmed: bool = False
    doubt: Doubt | None = None


class Discarded(State, frozen=True, tag="discarded"):
    """A dead letter of this id was discarded, and nothing else is left."""

    by: Discard


class Recovered(State, frozen=True, tag="recovered"):
    """Handled at `handled_at_ms` (Unix ms) by its attempt `attempt`, after failures."""

    attempt: int
    handled_at_ms: int
    consumer: str
    is_replay: bool = False
    history: tuple[Failure, ...] = ()


class Trimmed(State, frozen=True, tag="trimmed"):
    """No longer stored, of an unknown type: handled, if the group subscribes to it. `doubt`: as for `Handled`."""

    doubt: Doubt | None = None


class Unknown(State, frozen=True, tag="unknown"):
    """Redis refuses a key that would tell."""

    error: str


class InGroup(msgspec.Struct, frozen=True, omit_defaults=True):
    """An event in one group. `left_out`: parked deliveries, redeliveries and dead letters not looked through."""

    states: tuple[State, ...]
    left_out: int = 0


class Place(msgspec.Struct, frozen=True):
    """An entry of an event stream. `stored_ms`: when Redis stored it, Unix ms."""

    key: str
    entry_id: str

    @property
    def stored_ms(self) -> int:
        return int(self.entry_id.partition("-")[0])


class Subject(msgspec.Struct, frozen=True):
    """An event as far as it is known. `place` is None and `day` set ("2026-11-28") if it was stored and is trimmed;
    `type` "" and `entry` None if no copy of it is left either."""

    keys: Keys
    webhook_id: str
    source: str
    type: str = ""
    entry: Entry | None = None
    place: Place | None = None
    day: str = ""

    @property
    def stored_between(self) -> tuple[int, int]:
        """When Redis stored it, as far as that is known, Unix ms."""
        if self.place:
            return self.place.stored_ms, self.place.stored_ms
        if self.entry:
            return self.entry.received_at_ms - SLACK_MS, self.entry.received_at_ms + SLACK_MS
        first_ms = int(datetime.fromisoformat(self.day).replace(tzinfo=UTC).timestamp() * 1000)
        return first_ms - SLACK_MS, first_ms + DAY_MS + SLACK_MS


class Life(msgspec.Struct, frozen=True):
    """An event, and what every group has to do with it."""

    subject: Subject
    groups: Mapping[str, InGroup]


def fields(life: Life) -> dict[str, Any]:
    """The JSON of a life; the body is left out."""
    subject, entry, place = life.subject, life.subject.entry, life.subject.place
    return {
        "webhook_id": subject.webhook_id,
        "source": subject.source,
        "type": subject.type or None,
        "received_at_ms": entry.received_at_ms if entry else None,
        "bytes": len(entry.body) if entry else None,
        "stored_at_ms": place.stored_ms if place else None,
        "stream": place.key if place else None,
        "entry_id": place.entry_id if place else None,
        "stored_on": subject.day or None,
        "groups": life.groups,
    }
