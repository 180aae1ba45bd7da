"""`hookbus-worker statistics`: what each group did, by minute or by hour."""

import asyncio
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table
from rich.text import Text

from ...shared import output, tables
from ...shared.tables import Column
from ..inventory import registry
from ..inventory import statistics as figures
from ..inventory.statistics import BOUNDS_S, HOUR_MS, HOURS_KEPT, MINUTE_MS, MINUTES_KEPT, Figures, Series
from . import options
from .options import Config, Json

Since = Annotated[str, typer.Option(help="Since: 15m, 2h, 3d ago, or an ISO time (UTC); two weeks are kept.")]
COLUMNS: Final = (
    Column("GROUP", least=12),
    Column("HANDLED", is_number=True),
    Column("PARKED", is_number=True, goes=2),
    Column("DEAD", is_number=True),
    Column("P50", is_number=True, goes=3),
    Column("P99", is_number=True, goes=1),
)


def statistics(since: Since = "1h", as_json: Json = False, config: Config = None) -> None:
    """Show what each group did: attempts handled, parked and dead-lettered, and how long they took."""
    since_ms = options.moment(config, "--since", since, 0)
    shown = asyncio.run(_fetch(config, since_ms))
    if as_json:
        output.print_json(_result(shown))
        return
    console = output.console()
    if shown.series:
        console.print(_table(shown.series, console.width))
    else:
        print("no attempt has ended since then, or no worker could write its figures")
    if shown.is_cut:
        print(f"since {output.moment(shown.since_ms)}: figures are kept for two weeks")
    for key, error in shown.unusable.items():
        line = output.line(f"unusable key {key}, whose figures are missing here: {error}")
        console.print(Text(line, "bold red"), soft_wrap=True)


@dataclass(frozen=True, slots=True)
class _Shown:
    """The series, and its step: minutes as long as they are kept, else hours. `since_ms`: when the first one began,
    Unix ms; `is_cut`: that is later than was asked for."""

    step_ms: int
    series: Series
    since_ms: int
    is_cut: bool
    unusable: dict[str, str]


async def _fetch(config: Path | None, since_ms: int) -> _Shown:
    unusable: dict[str, str] = {}
    async with options.connected(config, "statistics") as (client, _):
        now_ms = await registry.now_ms(client)
        is_recent = (now_ms - since_ms) // MINUTE_MS <= MINUTES_KEPT
        step_ms, kept, read = (
            (MINUTE_MS, MINUTES_KEPT, figures.minutes) if is_recent else (HOUR_MS, HOURS_KEPT, figures.hours)
        )
        count = max(1, math.ceil((now_ms - since_ms) / step_ms))
        series = await read(client, now_ms, count, unusable)
    first_ms = (now_ms // step_ms - min(count, kept) + 1) * step_ms
    return _Shown(step_ms, series, first_ms, count > kept and not is_recent, unusable)


def _result(shown: _Shown) -> dict[str, Any]:
    return {
        "step_ms": shown.step_ms,
        "since_ms": shown.since_ms,
        "bounds_s": BOUNDS_S,
        "groups": figures.total(shown.series),
        "series": [{"at_ms": at_ms, "groups": groups} for at_ms, groups in sorted(shown.series.items())],
        "unusable": shown.unusable,
    }


def _table(series: Series, width: int) -> Table:
    rows: list[tuple[str | Text, ...]] = []
    for group, total in sorted(figures.total(series).items()):
        counts = (f"{count:,}" for count in (total.handled, total.parked, total.dead))
        rows.append((output.cell(group), *counts, *(_latency(total, share) for share in (0.5, 0.99))))
    return tables.table(COLUMNS, rows, width)


def _latency(total: Figures, share: float) -> str:
    """The end of a latency bucket: attempts took at most that long."""
    end_s = total.bound_s(share)
    if end_s is None:
        return "–"
    if math.isinf(end_s):
        return f"> {BOUNDS_S[-1]:g} s"
    return f"≤ {end_s:g} s" if end_s >= 1 else f"≤ {end_s * 1000:g} ms"
