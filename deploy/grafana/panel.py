"""A panel of the dashboard and parts of queries. `dashboard` translates them to Grafana's JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Unit = Literal["short", "eps", "s", "bytes", "Bps", "percentunit", "reqps"]
"""Grafana's names: plain, events a second, seconds, bytes, bytes a second, a share of 1, requests a second."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A plot, or with `is_stat` one figure. `queries` are the queries by the names of their lines.

    `warns_at` and `fails_at` colour a figure, or draw lines where alerts begin. Plots begin at 0 unless `is_signed`.
    """

    title: str
    unit: Unit
    queries: dict[str, str]
    about: str = ""
    is_stat: bool = False
    is_stacked: bool = False
    is_signed: bool = False
    warns_at: float | None = None
    fails_at: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: Sequence[Panel]


def stat(
    title: str, unit: Unit, query: str, about: str, warns: float | None = None, fails: float | None = None
) -> Panel:
    """One figure."""
    return Panel(title, unit, {"": query}, about, is_stat=True, warns_at=warns, fails_at=fails)


def rate(metric: str, by: str, where: str = "") -> str:
    """The rate of a counter."""
    return f"sum by ({by}) (rate({metric}{{{where}}}[$__rate_interval]))"


def within_an_hour(metric: str, by: str, where: str = "") -> str:
    """The increase of a counter, only where it is above 0."""
    return f"sum by ({by}) (increase({metric}{{{where}}}[1h])) > 0"


def quantile(share: float, metric: str, by: str = "", where: str = "") -> str:
    """A quantile of a histogram."""
    labels = ", ".join(filter(None, ("le", by)))
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', labels, where)})"
