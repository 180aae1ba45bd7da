"""The troubles of a bus, defined once: code, grade, words, runbook. `status`, `check` and the console show them."""

import shlex
from enum import Enum, IntEnum
from typing import NamedTuple


class Grade(IntEnum):
    """How much a group needs somebody."""

    FINE = 0
    """Ordinary work, retries among it."""
    WAITS = 1
    """Somebody decided so, or it ends by itself."""
    DEAD = 2
    """Deliveries or events are lost to the handlers until somebody acts."""
    STOPPED = 3
    """Events wait, and nothing will handle them."""


class Kind(Enum):
    """What there is to say, worst first: its code and grade; its words in a headline, after the count; its section of
    deploy/RUNBOOK.md, "" for none."""

    REDIS_FULL = "redis_full", Grade.STOPPED, "full Redis", "full Redis", "HookbusRedisMemory"
    SAVE_FAILED = "last_save_failed", Grade.STOPPED, "failed save", "failed saves", "HookbusRedisNotDurable"
    NEARLY_FULL = "redis_nearly_full", Grade.STOPPED, "nearly full Redis", "nearly full Redis", "HookbusRedisMemory"
    NOT_READY = "ingest_not_ready", Grade.STOPPED, "ingest not ready", "ingests not ready", "HookbusRefusedWrites"
    UNUSABLE = "unusable_key", Grade.STOPPED, "unusable key", "unusable keys", "HookbusUnusableKey"
    ABANDONED = "group_abandoned", Grade.STOPPED, "abandoned group", "abandoned groups", "HookbusGroupAbandoned"
    NO_WORKER = (
        "no_worker", Grade.STOPPED, "group without a worker", "groups without a worker", "HookbusGroupWithoutProgress"
    )  # fmt: skip
    BREAKER = "breaker_open", Grade.STOPPED, "breaker open", "breakers open", "HookbusBreakerOpen"
    UNSUBSCRIBED = "waits_for_nobody", Grade.STOPPED, "unsubscribed", "unsubscribed", "HookbusUnsubscribedEvents"
    UNREAD = "unread_type", Grade.STOPPED, "unread", "unread", "HookbusUnreadEvents"
    UNKNOWN_SOURCE = "unknown_source", Grade.STOPPED, "unknown source", "unknown sources", "HookbusUnknownSource"
    SUSPECT = (
        "waiting_suspects", Grade.STOPPED, "suspect without a quarantine", "suspects without a quarantine",
        "HookbusStuckInFlight",
    )  # fmt: skip
    LOSS = "data_loss", Grade.DEAD, "data loss", "data losses", "HookbusDataLoss"
    SURGE = "deaths_surge", Grade.DEAD, "surge of deaths", "surges of deaths", "HookbusDeadLettersGrowing"
    DEAD = "dead_letters", Grade.DEAD, "dead", "dead", "HookbusDeadLettersGrowing"
    DROPPED = "letters_dropped", Grade.DEAD, "dropped", "dropped", ""
    DEATHS = "deaths", Grade.WAITS, "death", "deaths", "HookbusDeadLettersGrowing"
    MISSING = "group_missing", Grade.WAITS, "missing on a stream", "missing on streams", "HookbusGroupMissing"
    PAUSED = "paused", Grade.WAITS, "pause", "pauses", ""
    HELD = "held", Grade.WAITS, "hold", "holds", ""
    DEAD_CONSUMER = "dead_consumers", Grade.WAITS, "dead consumer", "dead consumers", ""
    ORPHAN = "no_subscription", Grade.WAITS, "orphan", "orphans", ""
    FOREIGN = "foreign_group", Grade.WAITS, "group not of hookbus", "groups not of hookbus", ""
    DISPUTED = "consumers_disagree", Grade.WAITS, "pattern disputed", "patterns disputed", ""
    BACKLOG = "backlog", Grade.FINE, "backlog", "backlog", ""
    IN_FLIGHT = "in_flight", Grade.FINE, "in flight", "in flight", ""
    DELAYED = "delayed", Grade.FINE, "delayed", "delayed", ""

    def __init__(self, code: str, grade: Grade, one: str, many: str, section: str) -> None:
        self.rank = len(type(self).__members__)
        self.code = code
        self.grade = grade
        self.one = one
        self.many = many
        self.section = section

    def counted(self, count: int) -> str:
        """A number of them, in a headline."""
        return f"{count:,} {self.one if count == 1 else self.many}"


class Remedy(NamedTuple):
    """What ends a trouble, where one command does. The console has a button of this label for it."""

    verb: str
    label: str
    group: str
    pattern: str = ""

    @property
    def command(self) -> str:
        """The command."""
        words = ("hookbus-worker", self.verb, self.group, *([self.pattern] if self.pattern else ()))
        return shlex.join(words)


class Trouble(NamedTuple):
    """One thing to say. `group` is "" for the whole bus; `problem` leaves its name out.

    `counted`: what it adds to the headline. `is_brief`: a few words that fit beside others.
    """

    kind: Kind
    problem: str
    action: str = ""
    group: str = ""
    counted: int = 1
    is_brief: bool = False
    remedy: Remedy | None = None

    @property
    def grade(self) -> Grade:
        """How grave it is."""
        return self.kind.grade

    @property
    def is_grave(self) -> bool:
        """Whether it lasts until somebody acts."""
        return self.grade >= Grade.DEAD

    @property
    def sentence(self) -> str:
        """The problem, with the name of its group."""
        return f"{self.group}: {self.problem}" if self.group else self.problem
