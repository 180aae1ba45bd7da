"""Warns, at the start of a worker, of subscriptions to sources that ingest does not have.

Asks Redis once, and only if a subscription names its sources. The exporter and `check` tell later what changes later.
"""

from collections.abc import Sequence

from ..shared import log, source_names
from ..shared.connection import FAULTS, Redis
from .inventory import known_sources
from .pipeline.routes import Group
from .quarantine.launch import Launch


async def warn(client: Redis, groups: Sequence[Group], launch: Launch | None) -> None:
    """The configuration counts while no ingest has registered; a worker inside another program has none."""
    if not any(route.sources for group in groups for route in group.routes):
        return
    try:
        known = await known_sources.fetch(client)
    except FAULTS:  # `check` reports it
        return
    if not known and launch is not None:
        known = source_names.configured(launch.config, launch.environment)
    for group in groups:
        unknown = known_sources.unknown(known_sources.taken(group.routes), known)
        for problem in known_sources.problems(unknown, known):
            effect = "their events are acked unrun, and counted as skipped"
            log.get("worker").warning("unknown_source", group=group.name, problem=problem, effect=effect)
