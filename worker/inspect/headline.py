"""The whole bus in a few words: its groups, what is wrong, what waits. Pure."""

from collections import Counter
from collections.abc import Iterable

from ...shared import output
from .status import Status
from .trouble import Kind, Trouble


def of(status: Status, found: Iterable[Trouble]) -> list[Trouble]:
    """Its parts, worst first. `found`: all troubles."""
    counts = Counter[Kind]()
    for each in found:
        counts[each.kind] += each.counted
    entries = [entry for group in status.groups.values() for entry in group.types.values()]
    counts[Kind.BACKLOG] = sum(entry.backlog for entry in entries)
    counts[Kind.IN_FLIGHT] = sum(entry.in_flight for entry in entries)
    parts = [Trouble(kind, kind.counted(counts[kind])) for kind in Kind if counts[kind]]
    waits = parts or [Trouble(Kind.BACKLOG, "nothing waits")]
    return [Trouble(Kind.BACKLOG, output.things(len(status.groups), "group")), *waits]
