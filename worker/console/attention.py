"""What needs somebody, worst first: the findings of `hookbus-worker check`, and deaths that are many now. Pure.

Dead letters by themselves are no trouble of the moment, so their finding is not counted: a page lists their causes.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from ...shared.finding import Finding
from ...shared.memory import NEARLY_FULL
from .. import bus_findings
from ..inspect.group_status import GroupStatus
from ..inventory.suspensions import Opened
from .draw import age, count
from .look import Look

GRAVE: Final = frozenset(
    {"group_abandoned", "no_worker", "breaker_open", "unread_type", "waits_for_nobody", "unusable_key", "data_loss"}
)
"""Codes of findings that keep events from being handled."""
UNCOUNTED: Final = frozenset({"dead_letters", "no_subscription"})
"""Nobody has to act on them at once: listed among the findings, not among what needs somebody."""
RUNBOOK: Final = {
    "breaker_open": "HookbusBreakerOpen",
    "cannot_save": "HookbusRedisNotDurable",
    "data_loss": "HookbusDataLoss",
    "deaths": "HookbusDeadLettersGrowing",
    "group_abandoned": "HookbusGroupAbandoned",
    "group_missing": "HookbusGroupMissing",
    "memory": "HookbusRedisMemory",
    "no_worker": "HookbusGroupWithoutProgress",
    "unknown_source": "HookbusUnknownSource",
    "unread_type": "HookbusUnreadEvents",
    "unusable_key": "HookbusUnusableKey",
    "waits_for_nobody": "HookbusUnsubscribedEvents",
}
"""Code → section of deploy/RUNBOOK.md."""
SURGE: Final = 3
"""Deaths in an hour are many when they are this many times those of the hour before (a guess)."""


class Resume(NamedTuple):
    """A button that leads to a resume of a pattern."""

    label: str
    pattern: str


class Trouble(NamedTuple):
    """One line. `group` is "" for the whole bus."""

    code: str
    is_grave: bool
    group: str
    problem: str
    action: str
    also: tuple[str, ...] = ()
    """Further problems of the same group, less grave."""
    help: Resume | None = None
    """What ends it, where that is one thing."""

    @property
    def section(self) -> str:
        """Of the runbook; "" for none."""
        return RUNBOOK.get(self.code, "")


def of_look(look: Look) -> list[Trouble]:
    """All troubles, grave ones first."""
    found = [*_of_groups(look), *_of_deaths(look), *_of_redis(look)]
    return sorted(found, key=lambda trouble: not trouble.is_grave)


def folded(troubles: Iterable[Trouble]) -> list[Trouble]:
    """One line for each group: its first trouble, and the problems of its others."""
    lines: dict[str, Trouble] = {}
    for i, trouble in enumerate(troubles):
        key = f"group {trouble.group}" if trouble.group else f"bus {i}"
        first = lines.setdefault(key, trouble)
        if first is not trouble:
            lines[key] = first._replace(also=(*first.also, trouble.problem), help=first.help or trouble.help)
    return list(lines.values())


def uncounted(look: Look) -> list[Trouble]:
    """The other findings: they tell what is there, and nobody has to act."""
    return [each for each in _of_findings(look) if each.code in UNCOUNTED]


def _of_findings(look: Look) -> Iterator[Trouble]:
    """What `hookbus-worker check` finds about the bus."""
    for name, group in look.bus.status.groups.items():
        yield from (_trouble(name, each) for each in bus_findings.of_group(name, group))
    of_bus = (*bus_findings.of_unusable(look.bus), *bus_findings.of_orphans(look.bus))
    yield from (_trouble("", each) for each in of_bus)


def _trouble(group: str, found: Finding) -> Trouble:
    return Trouble(found.code, found.code in GRAVE, group, found.problem, found.action)


def _of_groups(look: Look) -> Iterator[Trouble]:
    for each in _of_findings(look):
        if each.code in UNCOUNTED or each.code == "breaker_open":  # that is told with its times, below
            continue
        yield each._replace(help=_resume(each.code, look.bus.status.groups[each.group])) if each.group else each
    for name, group in look.bus.status.groups.items():
        for pattern, opened in group.breakers.items():
            problem = f"{name} has stopped working on {pattern}: {opened.error}"
            action = f"{breaker(opened, look.bus.now_ms)}; fix the handler"
            yield Trouble("breaker_open", True, name, problem, action, help=Resume("Reset breaker", pattern))


def _resume(code: str, group: GroupStatus) -> Resume | None:
    """Several pauses are ended on the page of their group."""
    standing = {"paused": [*group.paused], "held": [*group.held]}.get(code, [])
    return Resume("Resume", standing[0]) if len(standing) == 1 else None


def breaker(opened: Opened, now_ms: int) -> str:
    """Since when a breaker is open, and when it lets a delivery try."""
    due_s = (opened.until_ms - now_ms) / 1000
    tries = f"tries in {age(due_s)}" if due_s > 0 else "tries now"
    return f"breaker open for {age((now_ms - opened.since_ms) / 1000)}, {tries}"


def _of_deaths(look: Look) -> Iterator[Trouble]:
    beside = look.beside
    if not beside.died_last_hour:
        return
    died = f"{count(beside.died_last_hour)} died in the last hour"
    is_grave = beside.died_last_hour > SURGE * max(1, beside.died_hour_before)
    newest = max(beside.causes, key=lambda cause: cause.last_ms, default=None)
    last = f"the last: {newest.kind.error_class or newest.kind.reason} in {newest.group}" if newest else ""
    yield Trouble("deaths", is_grave, "", died, f"{count(beside.died_hour_before)} in the hour before; {last}")


def _of_redis(look: Look) -> Iterator[Trouble]:
    redis = look.bus.redis
    if not redis.can_save:
        yield Trouble("cannot_save", True, "", "Redis can't write to its disk", "look into its log, and at free space")
    if redis.memory_share > NEARLY_FULL:
        action = "raise maxmemory, or let groups catch up: at the limit it refuses events"
        yield Trouble("memory", True, "", f"Redis has used {redis.memory_share:.0%} of its memory", action)
