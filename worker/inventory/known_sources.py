"""The sources of a bus, as its ingest processes have them, and subscriptions to others.

A misspelt `source=` is no error for a worker: it would ack every event unrun, and look healthy.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ...shared import ingest_record
from ...shared.connection import Redis
from ...shared.keys import HOME
from ...shared.nearest import did_you_mean
from .lag import pairs

if TYPE_CHECKING:
    from ..pipeline.routes import Route

Taken = Iterable[tuple[str, Iterable[str]]]
"""Patterns of subscriptions, each with the sources that it is narrowed to."""


async def fetch(client: Redis) -> frozenset[str]:
    """The names of all sources; none while no ingest has registered. Raises RedisError, OSError."""
    return read(await client.execute_command("HGETALL", HOME.ingests))


def read(flat: Sequence[bytes]) -> frozenset[str]:
    """The names, from the content of the hash. Also of processes that are silent: they may come back."""
    records = ingest_record.read(pairs(flat)).values()
    return frozenset(name for record in records for name in record.sources)


def taken(routes: Iterable["Route"]) -> Taken:
    """What the subscriptions of a group take."""
    return ((route.pattern, route.sources or ()) for route in routes)


def unknown(taken: Taken, known: frozenset[str]) -> dict[str, list[str]]:
    """Source that is not known → the patterns of its subscriptions. None while no source is known."""
    found: dict[str, set[str]] = {}
    for pattern, sources in taken if known else ():
        for name in set(sources) - known:
            found.setdefault(name, set()).add(pattern)
    return {name: sorted(patterns) for name, patterns in sorted(found.items())}


def problems(unknown: Mapping[str, Sequence[str]], known: frozenset[str]) -> list[str]:
    """A line for each unknown source of a group, which is not named."""
    there = ", ".join(sorted(known))
    return [
        f"takes events of source {name!r} ({', '.join(patterns)}), which is none of ingest's: {there}"
        f"{did_you_mean(name, known)}"
        for name, patterns in unknown.items()
    ]
