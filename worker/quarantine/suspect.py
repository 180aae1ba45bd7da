"""A suspect, and how it may run.

A suspect was in flight in two consumers that died: it may have killed both, or only been beside the one that did. It
runs in a process of its own, whose death can be nobody else's fault.
"""

from dataclasses import dataclass
from typing import Final

from ..api.delivery import InFlight
from ..pipeline.subscriber import Subscriber

MAX_DEATHS: Final = 3
"""Quarantine processes that may die of a suspect, before it becomes a dead letter."""


@dataclass(frozen=True, slots=True, eq=False)
class Suspect:
    """A delivery to run in quarantine, with its subscriber."""

    in_flight: InFlight
    subscriber: Subscriber

    @property
    def is_held_back(self) -> bool:
        """Whether its type is paused or its circuit breaker is open."""
        return self.subscriber.is_paused(self.in_flight) or not self.subscriber.slots.is_admitted

    @property
    def is_blamed(self) -> bool:
        """Whether a quarantine process died of it, perhaps together with its parent and all that ran there.

        Then it runs beside no other suspect, in a process that ran none before: the next death is its own.
        """
        return bool(self.in_flight.deaths)
