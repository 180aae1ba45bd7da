"""What a worker and its quarantine processes tell each other: one JSON line each, over a socket of their own.

Standard input and output belong to the handlers.
"""

from typing import Any, Final, get_args

import msgspec

from ..api.delivery import InFlight
from ..pipeline.outcome import Outcome

LIMIT_BYTES: Final = 1 << 20
"""Longest line: hundreds of times as long as an answer, whose cause is cut to some thousand characters."""
_KINDS: Final[dict[str, type[Outcome]]] = {kind.__name__: kind for kind in get_args(Outcome)}


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Parent to child: run this suspect, which is pending for `owner`."""

    group: str
    type: str
    stream: str
    is_own_stream: bool
    entry_id: str
    owner: str
    deaths: tuple[str, ...]

    @classmethod
    def of(cls, in_flight: InFlight, owner: str) -> "Order":
        """The order to run a suspect."""
        return cls(
            group=in_flight.delivery.group,
            type=in_flight.delivery.type,
            stream=in_flight.stream,
            is_own_stream=in_flight.is_own_stream,
            entry_id=in_flight.entry_id.decode(),
            owner=owner,
            deaths=in_flight.deaths,
        )


class Ready(msgspec.Struct, frozen=True):
    """Child to parent, once: orders are welcome. `consumer` is its name."""

    consumer: str


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Child to parent: the suspect is settled, as `outcome` says; or nothing was written about it (`kind` is "")."""

    kind: str = ""
    fields: dict[str, Any] = {}
    duration_s: float = 0.0

    @classmethod
    def of(cls, outcome: Outcome, duration_s: float) -> "Answer":
        """The answer after an outcome was written."""
        return cls(type(outcome).__name__, msgspec.to_builtins(outcome), duration_s)

    @property
    def outcome(self) -> Outcome | None:
        """How the attempt ended; None for a suspect that was not there any more, or taken over."""
        return msgspec.convert(self.fields, _KINDS[self.kind]) if self.kind else None


def line(message: Order | Ready | Answer) -> bytes:
    """Encode a message."""
    return msgspec.json.encode(message) + b"\n"
