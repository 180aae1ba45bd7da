"""The last full run as Markdown, between the marks in `tests/bench/README.md`: tables, charts, and the costs and
machines that follow from them. Pure but for `update`.
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.bench import cost, table
from tests.bench.cost import Cpu
from tests.bench.figures import Goal

BEGIN: Final = "<!-- the last full run; written by make bench -->"
END: Final = "<!-- end of the last full run -->"
RATES: Final = (10, 100, 1000)
LARGE_RATES: Final = (10_000, 100_000, 1_000_000)

Answers = Mapping[str, Mapping[str, Any]]


def update(readme: Path, results: Mapping[str, Any]) -> None:
    """Put a run between the marks. Raises ValueError when they are missing."""
    before, begin, rest = readme.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{readme}: the marks are missing")
    readme.write_text("\n".join([before + BEGIN, "", *lines(results), "", END + after]))


def lines(results: Mapping[str, Any]) -> list[str]:
    """The whole report, line by line."""
    answers = {answer["key"]: answer for answer in results["answers"]}
    machine = results["machine"]
    text = [
        f"Measured at {results['measured_at']} on {machine['cores']} cores of {machine['processor']},"
        f" {machine['system']}, CPython {machine['python']}, load from {machine['load']}.",
        "",
        *_table(("key", "figure", "spread", "goal", "medians"), [_row(answer) for answer in answers.values()]),
        "",
    ]
    text += [f"- `{key}`: {answer['note']}" for key, answer in answers.items() if answer["note"]]
    text += ["", *(f"![{key}](charts/{key}.png)" for key in answers)]
    needed = {"cpu_us_per_event", "stored_bytes_vs_raw", "dedupe_bytes_per_id"}
    if needed <= answers.keys():
        text += ["", *_costs(answers), "", *_machines(answers)]
    return text


def _row(answer: Mapping[str, Any]) -> tuple[str, ...]:
    goal = Goal(**answer["goal"]) if answer["goal"] else None
    met = "" if goal is None else " met" if goal.is_met(answer["value"]) else " **missed**"
    spread = f"{table.shown(answer['low'])} to {table.shown(answer['high'])}" if answer["low"] != answer["high"] else ""
    value = table.shown(answer["value"])
    if answer["parts"]:
        value = ", ".join(f"{name} {table.shown(part)}" for name, part in answer["parts"].items())
    medians = ", ".join(
        f"{side['name']} {table.shown(statistics.median(side['figures']))}" for side in answer["series"]
    )  # fmt: skip
    return (f"`{answer['key']}`", value, spread, table.shown_goal(goal) + met, f"{medians} {answer['unit']}")


def _costs(answers: Answers) -> list[str]:
    stored, dedupe = sizes(answers)
    rows = []
    for rate in RATES:
        cpu = cpu_at(answers, f" at {rate}/s")
        memory = [f"{cost.redis_gib(rate, seconds, stored, dedupe):.3g}" for seconds in cost.RETENTIONS.values()]
        rows.append((f"{rate:,}", table.shown(cpu.seconds_per_million), *memory))
    heads = ("events/s", "CPU-seconds a million", *(f"Redis GiB, {name}" for name in cost.RETENTIONS))
    return [
        "### What a million events cost",
        "",
        *_table(heads, rows),
        "",
        "CPU is that of ingest, a worker with a handler that does nothing, and Redis together, what they use while idle"
        " included: at a low rate most batches hold one event. Memory is that of Redis when the retention time of"
        f" handled events is full ({stored:.0f} bytes each; by default a million of a type stay at most) and the"
        f" dedupe remembers five days of ids ({dedupe:.0f} bytes each).",
    ]


def _machines(answers: Answers) -> list[str]:
    stored, dedupe = sizes(answers)
    cpu = cpu_at(answers, "")
    rows = []
    for rate in LARGE_RATES:
        fleet = cost.fleet(rate, cpu, stored, dedupe, retention_s=cost.RETENTIONS["1 hour"])
        parts = (fleet.ingests, fleet.workers, fleet.shards, f"{fleet.memory_gib:,.0f}", fleet.machines)
        rows.append((f"{rate:,}", *(f"{part:,}" if isinstance(part, int) else part for part in parts)))
    heads = ("events/s", "ingest processes", "worker processes", "shards", "Redis GiB", "machines")
    return [
        "### How many machines",
        "",
        *_table(heads, rows),
        "",
        "Computed, not measured, and each step is an assumption. A process uses one core, and"
        f" {cost.BUSY:.0%} of it, so that peaks and the catching up after a fault have room. An event costs what it"
        " costs at half capacity, where batches are large. Handlers do nothing: real ones come on top. Redis' work"
        " divides evenly over shards of one core each, spread over servers as a cluster would (which hookbus does not"
        " support yet). Handled events stay one hour, ids five days; data fill"
        f" {cost.MEMORY_BUSY:.0%} of memory. A machine has {cost.CORES} cores and {cost.MEMORY_GIB} GiB. No replicas."
        " Where memory outweighs cores, it is the dedupe's: its window follows from the 72 hours for which OpenAI"
        " sends again.",
    ]


def cpu_at(answers: Answers, suffix: str) -> Cpu:
    """The measured CPU per event, of the series with this suffix."""
    medians = {side["name"]: statistics.median(side["figures"]) for side in answers["cpu_us_per_event"]["series"]}
    return Cpu(*(medians[f"{name}{suffix}"] for name in ("ingest", "worker", "redis")))


def sizes(answers: Answers) -> tuple[float, float]:
    """Bytes of a stored event, and of a remembered id."""
    stored = statistics.median(answers["stored_bytes_vs_raw"]["series"][0]["figures"])
    return stored, statistics.median(answers["dedupe_bytes_per_id"]["series"][0]["figures"])


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows)]
