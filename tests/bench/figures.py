"""Measured figures as values, and the ratios between them. Pure: nothing here measures, prints or draws."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Bound = Literal["at least", "at most"]


@dataclass(frozen=True, slots=True)
class Goal:
    """The bound that a figure should meet."""

    bound: Bound
    figure: float

    def is_met(self, value: float) -> bool:
        """Whether a figure reaches it."""
        return value >= self.figure if self.bound == "at least" else value <= self.figure


def at_least(figure: float) -> Goal:
    """More is better."""
    return Goal("at least", figure)


def at_most(figure: float) -> Goal:
    """Less is better."""
    return Goal("at most", figure)


@dataclass(frozen=True, slots=True)
class Series:
    """One side of a comparison: a figure a round, in the order in which they were measured."""

    name: str
    figures: tuple[float, ...]

    @property
    def median(self) -> float:
        """The figure in the middle."""
        return statistics.median(self.figures)


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of one key. `low` and `high` are its spread over the rounds; `unit` is that of the series.

    `parts` holds the figures of a key without a single one. `note` is a remark for the reader.
    """

    key: str
    value: float
    low: float
    high: float
    unit: str
    series: tuple[Series, ...]
    is_ratio: bool = False
    parts: dict[str, float] | None = None
    note: str = ""


def ratios(ours: Series, other: Series) -> list[float]:
    """Our figure divided by the other's, per round: other load of the machine in a round affects both."""
    return [a / b for a, b in zip(ours.figures, other.figures, strict=True)]


def compared(key: str, ours: Series, other: Series, unit: str, note: str = "", more: Sequence[Series] = ()) -> Answer:
    """The median of the ratios of the rounds. `more` holds further measured series."""
    by_round = ratios(ours, other)
    low, high = min(by_round), max(by_round)
    return Answer(key, statistics.median(by_round), low, high, unit, (ours, other, *more), is_ratio=True, note=note)


def reported(key: str, series: Sequence[Series], unit: str, note: str = "") -> Answer:
    """The worst median of several series that each have to reach the goal, where less is better."""
    worst = max(series, key=lambda side: side.median)
    return Answer(key, worst.median, min(worst.figures), max(worst.figures), unit, tuple(series), note=note)


def parted(key: str, series: Sequence[Series], unit: str, note: str = "", more: Sequence[Series] = ()) -> Answer:
    """Several figures with their sum as the value. `more` holds further measured series."""
    parts = {side.name: side.median for side in series}
    total = sum(parts.values())
    return Answer(key, total, total, total, unit, (*series, *more), parts=parts, note=note)


def percentile(figures: Sequence[float], share: float) -> float:
    """The figure that a share of all does not exceed (nearest rank). Raises ValueError without figures."""
    if not figures:
        raise ValueError("a percentile of nothing")
    ordered = sorted(figures)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]
