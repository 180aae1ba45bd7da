"""Counts the connections to Redis of a worker process, and checks them against the limits of process and Redis."""

from collections.abc import Sequence
from typing import Final

from ..shared import descriptors, log
from ..shared.finding import Finding
from .consumer import CONNECTIONS
from .pipeline.routes import Group

OF_PROCESS: Final = 3
"""Outcomes, liveness, and one to spare."""
SPARE: Final = 0.1
"""Share of Redis' limit reserved for ingest, the tools, quarantine processes (three each), and a rollout that briefly
doubles the workers (a guess)."""


def of_process(groups: Sequence[Group], shards: int) -> int:
    """Maximum of connections of one process: a blocking read per group and shard, and those that its duties share."""
    return len(groups) * shards + CONNECTIONS + OF_PROCESS


def make_room(groups: Sequence[Group], shards: int) -> None:
    """Raise the soft limit of open files to the need of this process; log a warning if the hard limit is too low."""
    needed = of_process(groups, shards)
    room = descriptors.room_for(needed)
    if room < needed:
        effect = "some groups cannot be read"
        log.get("worker").warning("few_descriptors", connections=room, wanted=needed, effect=effect)


def findings(groups: Sequence[Group], shards: int, processes: int, clients: dict[str, str]) -> list[Finding]:
    """Findings if one process exceeds the limit of open files on this machine, or all `processes` that of Redis.

    `clients` is the section of that name in the reply of INFO.
    """
    needed = of_process(groups, shards)
    report = []
    room = descriptors.room_for(needed)
    if room < needed:
        problem = f"a worker of these apps needs {needed} connections; the limit of open files here allows {room}"
        action = (
            f"raise the hard limit of open files to {needed + descriptors.RESERVED}, or divide the apps among workers"
        )
        report.append(Finding(0, "few_descriptors", problem, action))
    max_clients = int(clients.get("maxclients", 0))
    if max_clients and needed * processes > max_clients * (1 - SPARE):
        need = f"{processes} workers of these apps need up to {needed * processes} connections"
        problem = f"{need}, {needed} each; maxclients of Redis is {max_clients}"
        action = "raise maxclients (and Redis' limit of open files), or run fewer workers, subscriptions or shards"
        report.append(Finding(0, "few_connections", problem, action))
    return report
