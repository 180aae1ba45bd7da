"""How many connections to Redis a worker process makes, and whether it and Redis have room for them."""

from collections.abc import Sequence
from typing import Final

from ..shared import descriptors, log
from ..shared.finding import Finding
from .pipeline.routes import Group

OF_GROUP_RUNNER: Final = 4
"""Duties of a group in a shard that may ask at one time: promotion, pauses, takeover, discovery."""
OF_PROCESS: Final = 8
"""Outcomes, signs of life, suspects, trimming of a shard or two, looks after groups and dead letters."""
SPARE: Final = 0.1
"""Share of Redis' limit to leave for ingest, the tools, and a rollout that doubles workers for a moment (a guess)."""


def of_process(groups: Sequence[Group], shards: int) -> int:
    """The most that one process needs: a blocking read a subscription and shard, and its duties."""
    subscriptions = sum(len(group.routes) for group in groups)
    return subscriptions * shards + subscriptions + OF_GROUP_RUNNER * len(groups) * shards + OF_PROCESS


def make_room(groups: Sequence[Group], shards: int) -> None:
    """Raise the soft limit of open files as this process needs; say so where the hard limit is below that."""
    wanted = of_process(groups, shards)
    room = descriptors.room_for(wanted)
    if room < wanted:
        effect = "some subscriptions can't be read"
        log.get("worker").warning("few_descriptors", connections=room, wanted=wanted, effect=effect)


def findings(groups: Sequence[Group], shards: int, processes: int, clients: dict[str, str]) -> list[Finding]:
    """Whether so many processes fit Redis' limit, and one of them the limit of open files here; `clients`: of INFO."""
    wanted = of_process(groups, shards)
    found = []
    room = descriptors.room_for(wanted)
    if room < wanted:
        problem = f"a worker of these apps takes {wanted} connections, and here {room} fit"
        action = (
            f"raise the hard limit of open files to {wanted + descriptors.RESERVED}, or divide the apps among workers"
        )
        found.append(Finding(0, "few_descriptors", problem, action))
    most = int(clients.get("maxclients", 0))
    if most and wanted * processes > most * (1 - SPARE):
        taken = f"{processes} workers of these apps take up to {wanted * processes} connections"
        problem = f"{taken}, {wanted} each; maxclients of Redis is {most}"
        action = "raise maxclients (and Redis' limit of open files), or run fewer workers, subscriptions or shards"
        found.append(Finding(0, "few_connections", problem, action))
    return found
