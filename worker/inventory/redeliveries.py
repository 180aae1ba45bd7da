"""The redelivery streams that exist, as each shard lists them: nobody has to guess their names."""

from collections.abc import Iterable, Mapping

from ...shared import scripts
from ...shared.keys import Keys, listed_as


def read(members: Iterable[bytes]) -> Mapping[str, frozenset[str]]:
    """Group → the types of its redelivery streams, from the members of `Keys.redeliveries`."""
    found: dict[str, set[str]] = {}
    for member in members:
        group, _, event_type = member.decode().partition("|")
        found.setdefault(group, set()).add(event_type)
    return {group: frozenset(types) for group, types in found.items()}


def relist(keys: Keys, group: str, event_type: str) -> scripts.Call:
    """The call that makes a redelivery stream and the list agree."""
    names = (keys.redelivery(event_type, group), keys.redeliveries)
    return scripts.Call(scripts.RELIST, names, (group, listed_as(event_type, group)))
