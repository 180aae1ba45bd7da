"""A stream that a group's reader reads in one shard."""

from dataclasses import dataclass

from .subscriber import Subscriber


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """`is_own`: it is the group's own redelivery stream."""

    name: str
    event_type: str
    is_own: bool
    subscriber: Subscriber
