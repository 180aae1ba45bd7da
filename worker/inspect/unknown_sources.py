"""Findings about subscriptions to sources that no ingest has. Pure."""

from collections.abc import Iterator, Sequence

from ...shared.finding import Finding
from ..inventory import known_sources
from ..pipeline.routes import Group
from .status import Status

CODE = "unknown_source"
ACTION = "correct source= of the app or the handler, or configure the source; until then its events are acked unrun"


def findings(status: Status, groups: Sequence[Group], configured: frozenset[str]) -> Iterator[Finding]:
    """Those of live workers, and of the apps to check. The configuration counts while no ingest has registered."""
    known = frozenset(status.sources) or configured
    named = {group.name: group for group in groups}
    for name in sorted({*status.groups, *named}):
        unknown = status.groups[name].unknown_sources if name in status.groups else {}
        if name in named:
            unknown = unknown | known_sources.unknown(known_sources.taken(named[name].routes), known)
        yield from (Finding(0, CODE, line, ACTION) for line in known_sources.problems(name, unknown, known))
