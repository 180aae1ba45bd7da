"""The order of groups: who needs somebody first; and how long each has waited. Pure."""

from ..inspect import troubles
from ..inspect.group_status import GroupStatus
from ..inspect.status import Status


def first(status: Status, now_ms: int) -> list[str]:
    """The names of groups, worst first, as `hookbus-worker status` has them."""
    return troubles.groups_worst_first(status.groups, troubles.by_group(status, now_ms))


def oldest_s(group: GroupStatus) -> float | None:
    """The age of its oldest unhandled event; None when it has none."""
    ages = [entry.oldest_age_s for entry in group.types.values() if entry.oldest_age_s is not None]
    return max(ages, default=None)
