"""The order of groups: who needs somebody first, then who waits longest. Pure."""

from collections.abc import Mapping

from ..inspect.group_status import GroupStatus


def first(groups: Mapping[str, GroupStatus]) -> list[str]:
    """The names of groups, worst first; equals by name."""
    return sorted(groups, key=lambda name: (_rank(groups[name]), name))


def oldest_s(group: GroupStatus) -> float | None:
    """The age of its oldest unhandled event; None when it has none."""
    ages = [entry.oldest_age_s for entry in group.types.values() if entry.oldest_age_s is not None]
    return max(ages, default=None)


def _rank(group: GroupStatus) -> tuple[float, ...]:
    """Less is worse."""
    is_unserved = not group.consumers_alive and group.unhandled > 0
    return (
        -len(group.breakers),
        -is_unserved,
        -bool(group.unread or group.unsubscribed),
        -group.dead,
        -group.unhandled,
    )
