"""`hookbus-worker statistics`: what each group did, by minute or by hour."""

import asyncio
import math
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from ...shared import clock, output
from ..inventory import registry
from ..inventory import statistics as figures
from ..inventory.statistics import BOUNDS_S, HOUR_MS, HOURS_KEPT, MINUTE_MS, MINUTES_KEPT, Figures, Series
from . import options
from .options import Config, Json

Since = Annotated[str, typer.Option(help="Since: 15m, 2h, 3d ago, or an ISO time (UTC); two weeks are kept.")]
WIDE: Final = 60
"""Columns of a terminal below which the median gives way."""
SIX_HOURS_MS: Final = MINUTES_KEPT * MINUTE_MS


def statistics(since: Since = "1h", as_json: Json = False, config: Config = None) -> None:
    """Show what each group did: attempts handled, parked and dead-lettered, and how long they took."""
    since_ms = options.moment(config, "--since", since, 0)
    step_ms, series = asyncio.run(_fetch(config, clock.now_ms() - since_ms))
    if as_json:
        output.print_json(_result(step_ms, series))
    elif series:
        console = output.console()
        console.print(_table(series, console.width))
    else:
        print("no attempt has ended since then, or no worker could write its figures")


async def _fetch(config: Path | None, age_ms: int) -> tuple[int, Series]:
    """The series, and its step: minutes as long as they are kept, else hours."""
    async with options.connected(config, "statistics") as (client, _):
        now_ms = await registry.now_ms(client)
        if age_ms <= SIX_HOURS_MS:
            return MINUTE_MS, await figures.minutes(client, now_ms, max(1, math.ceil(age_ms / MINUTE_MS)))
        return HOUR_MS, await figures.hours(client, now_ms, min(HOURS_KEPT, math.ceil(age_ms / HOUR_MS)))


def _result(step_ms: int, series: Series) -> dict[str, Any]:
    return {
        "step_ms": step_ms,
        "bounds_s": BOUNDS_S,
        "groups": figures.total(series),
        "series": [{"at_ms": at_ms, "groups": groups} for at_ms, groups in sorted(series.items())],
    }


def _table(series: Series, width: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("GROUP", overflow="fold", min_width=12)
    shares = {"P50": 0.5, "P99": 0.99} if width >= WIDE else {"P99": 0.99}
    for title in ("HANDLED", "PARKED", "DEAD", *shares):
        table.add_column(title, justify="right", no_wrap=True)
    for group, total in sorted(figures.total(series).items()):
        counts = (f"{count:,}" for count in (total.handled, total.parked, total.dead))
        table.add_row(output.cell(group), *counts, *(_latency(total, share) for share in shares.values()))
    return table


def _latency(total: Figures, share: float) -> str:
    """The end of a latency bucket: attempts took at most that long."""
    end_s = total.bound_s(share)
    if end_s is None:
        return "–"
    if math.isinf(end_s):
        return f"> {BOUNDS_S[-1]:g} s"
    return f"≤ {end_s:g} s" if end_s >= 1 else f"≤ {end_s * 1000:g} ms"
