"""What the apps on the command line of `check` give reason to tell, beside a snapshot of the bus. Pure."""

from collections.abc import Iterator, Sequence

from ..shared.finding import Finding
from . import connections
from .inspect import troubles
from .inspect.snapshot import Bus
from .inspect.status import Status
from .inspect.trouble import Trouble
from .inventory import known_sources
from .pipeline.routes import Group


def of_connections(groups: Sequence[Group], bus: Bus, clients: dict[str, str]) -> list[Finding]:
    """Check the connections of the named apps for as many workers as are alive now, at least one."""
    alive = [bus.status.groups[group.name].consumers_alive for group in groups if group.name in bus.status.groups]
    return connections.findings(groups, bus.status.shards or 1, max([1, *alive]), clients) if groups else []


def of_app(group: Group, bus: Bus) -> list[Finding]:
    """Compare an app with the subscriptions of its group in Redis."""
    subscribed = bus.patterns.get(group.name)
    if subscribed is None:
        problem = f"group {group.name} does not exist; its first worker creates it, starting from {group.start}"
        return [Finding(0, "new_group", problem, "if it should exist, check its name")]
    dropped = sorted(subscribed - {route.pattern for route in group.routes})
    if not dropped:
        return []
    problem = f"group {group.name} subscribes to {', '.join(dropped)} in Redis, but not in this app"
    action = "nothing if intended: their unhandled events have no handler once a worker has started"
    return [Finding(0, "dropped_subscription", problem, action)]


def of_sources(group: Group, status: Status, configured: frozenset[str]) -> Iterator[Trouble]:
    """Subscriptions of an app to sources that no ingest has, but for those that its live workers have, too.

    `configured`: the sources in ingest's settings, which count while no ingest has registered.
    """
    known = frozenset(status.sources) or configured
    running = status.groups[group.name].unknown_sources if group.name in status.groups else {}
    unknown = known_sources.unknown(known_sources.taken(group.routes), known)
    fresh = {source: patterns for source, patterns in unknown.items() if source not in running}
    yield from troubles.of_sources(group.name, fresh, known)
