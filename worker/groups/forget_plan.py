"""A removal of a group, or of one type of it: a plan, which writes nothing, and its run. The tool and the console share
them.

A plan counts what would go. Its backlog grows with every new event, so what arrives before the run goes as well. All
else that the group holds (in flight, delayed, dead) grows by a worker or an import alone: then the run refuses, and
says both figures.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from ...shared import output
from ...shared.command import FailedError
from ...shared.connection import Redis
from .. import audit
from ..dlq.bulk import Tally
from ..inventory import registry
from .forget import GroupDeletion, GroupFootprint, TypeFootprint, refusal
from .forget_type import TypeDeletion


@dataclass(frozen=True, slots=True)
class Plan:
    """`footprint` is what would go at `now_ms`, Unix ms by Redis' clock; `event_type` is "" for the whole group.
    `most_received` bounds what a run takes beside the backlog."""

    group: str
    event_type: str
    footprint: GroupFootprint
    now_ms: int
    most_received: int

    @property
    def matching(self) -> int:
        """The number of its deliveries and dead letters."""
        return self.footprint.unhandled + self.footprint.dead

    @property
    def target(self) -> str:
        """What is removed, for people."""
        return f"{self.event_type} of {self.group}" if self.event_type else self.group

    def options(self) -> dict[str, list[str]]:
        """It as options of the command, for the audit."""
        return audit.options(group=self.group, type=self.event_type)


async def plan(client: Redis, shards: int, group: str, event_type: str = "", most_received: int | None = None) -> Plan:
    """Count what would go; `shards` is their number in the settings, `most_received` the bound of an earlier plan.
    Raises FailedError for an unknown group or type and a subscribed type; ConfigError, RedisError, OSError."""
    footprint = await (await _open(client, shards, group, event_type)).fetch()
    bound = footprint.received if most_received is None else most_received
    return Plan(group, event_type, footprint, await registry.now_ms(client), bound)


def require(plan: Plan) -> None:
    """Raise FailedError when a consumer is alive, or the group holds more than the bound."""
    if plan.footprint.alive:
        raise FailedError(refusal(plan.group, plan.footprint.alive))
    if (received := plan.footprint.received) > plan.most_received:
        raise FailedError(
            f"nothing was forgotten: {output.line(plan.target)} has {received:,} in flight, delayed and dead, and had"
            f" {plan.most_received:,} when it was counted; look again"
        )


async def run(
    client: Redis, shards: int, plan: Plan, *, stopping: asyncio.Event, progressed: Callable[[Tally], None]
) -> Tally:
    """Look again, then remove it in steps until it is gone, or `stopping` is set. `progressed` hears what went: of each
    type as if all shards held as much of it, and exactly at the end. A run that was stopped, or killed, is completed by
    another. Raises FailedError; nothing has changed when it begins with "nothing"; RedisError, OSError."""
    deletion = await _open(client, shards, plan.group, plan.event_type)
    found = replace(plan, footprint=await deletion.fetch())
    require(found)
    left, before = 0, max(0, plan.matching - found.matching)
    going = _Going(found, len(await registry.shards(client, shards)))

    def stepped(event_type: str, letters: int) -> None:
        progressed(Tally(going.stepped(event_type, letters), before))

    if not await deletion.run(stopping, stepped):
        left = replace(plan, footprint=await deletion.fetch()).matching
    tally = Tally(max(0, found.matching - left), before)
    progressed(tally)
    return tally


class _Going:
    """How much of a plan is gone, as its steps tell."""

    def __init__(self, plan: Plan, shards: int) -> None:
        self._plan = plan
        self._shards = shards
        self._gone = 0.0

    def stepped(self, event_type: str, letters: int) -> int:
        """The number that is gone after a step."""
        held = self._plan.footprint.types.get(event_type, TypeFootprint())
        # Of a whole group, what is delayed goes in the last step.
        waiting = held.backlog + held.in_flight + (held.delayed if self._plan.event_type else 0)
        self._gone += waiting / self._shards + letters
        return min(round(self._gone), self._plan.matching)


async def _open(client: Redis, shards: int, group: str, event_type: str) -> GroupDeletion | TypeDeletion:
    if event_type:
        return await TypeDeletion.open(client, shards, group, event_type)
    return await GroupDeletion.open(client, shards, group)
