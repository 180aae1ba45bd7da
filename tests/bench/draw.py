"""Draws the charts of a results.json: one of each key, and the two of the front page.

Run by the interpreter of an environment that has matplotlib: draw.py RESULTS FOLDER
"""

import json
import statistics
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

OURS, OTHER, DOT, INK = "#2f6f9f", "#b9c0c7", "#1c2733", "#1c2733"
OUR_NAMES = ("hookbus", "always", "two", "million", "ten", "fleet", "many", "dlq", "worker", "ingest", "whole")
"""Prefixes of the names of our own sides."""

Bar = tuple[str, float, list[float]]


def main() -> None:
    """Draw all charts of the results."""
    results, folder = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    answers = {answer["key"]: answer for answer in results["answers"]}
    for key, answer in answers.items():
        bars = [(side["name"], statistics.median(side["figures"]), side["figures"]) for side in answer["series"]]
        draw(folder / f"{key}.png", heading(answer), answer["unit"], bars)
    for name, title, bars in (
        ("ingest", "Requests a second", ingest(answers)),
        ("worker", "Events a second", worker(answers)),
    ):
        if bars:
            draw(folder / f"{name}.png", f"{title}, one process, hookbus = 1", "", bars)


def heading(answer: dict[str, Any]) -> str:
    """The key, its figure and its goal."""
    goal = answer["goal"]
    sign = {"at least": "≥", "at most": "≤"}
    suffix = f" (goal {sign[goal['bound']]} {goal['figure']:g})" if goal else ""
    return f"{answer['key']}: {answer['value']:.3g}{suffix}"


def ingest(answers: dict[str, Any]) -> list[Bar]:
    """hookbus beside the floor and FastAPI. Each was measured in turn with hookbus, so the ratios are comparable."""
    named = (("aiohttp that only answers", "ingest_vs_floor"), ("FastAPI + redis-py", "ingest_vs_fastapi"))
    return beside([(name, answers[key]) for name, key in named if key in answers])


def worker(answers: dict[str, Any]) -> list[Bar]:
    """hookbus beside the bare loop and the peers. Only the best peer was measured in turn; others derive from it."""
    bars = []
    if loop := answers.get("worker_vs_loop"):
        bars += beside([("bare redis-py loop", loop)])
    if best := answers.get("worker_vs_best_peer"):
        name, ratio = best["series"][1]["name"], 1 / best["value"]
        alone = {side["name"].removesuffix(" alone"): side["figures"][0] for side in best["series"][2:]}
        ranked = sorted(alone, key=lambda peer: -alone[peer])
        bars = bars or [("hookbus", 1.0, [])]
        bars += [(peer, ratio * alone[peer] / alone[name], []) for peer in ranked]
    return bars


def beside(named: list[tuple[str, dict[str, Any]]]) -> list[Bar]:
    """hookbus and the other sides as ratios to it, computed per round."""
    bars: list[Bar] = [("hookbus", 1.0, [])] if named else []
    for name, answer in named:
        hookbus, other = (side["figures"] for side in answer["series"][:2])
        rounds = [b / a for a, b in zip(hookbus, other, strict=True)]
        bars.append((name, statistics.median(rounds), rounds))
    return sorted(bars, key=lambda bar: -bar[1])


def draw(file: Path, title: str, unit: str, bars: list[Bar]) -> None:
    """Horizontal bars: the median, and a dot for each round."""
    figure, axes = plt.subplots(figsize=(7.2, 0.9 + 0.42 * len(bars)), dpi=130)
    for row, (name, median, rounds) in enumerate(reversed(bars)):
        axes.barh(row, median, height=0.62, color=OURS if name.startswith(OUR_NAMES) else OTHER)
        if len(rounds) > 1:
            axes.plot(rounds, [row] * len(rounds), "o", color=DOT, markersize=2.6, alpha=0.7)
    axes.set_yticks(range(len(bars)), [f"{name}  {shown(median)}" for name, median, _ in reversed(bars)])
    axes.set_xlim(0, 1.03 * max(max([median, *rounds]) for _, median, rounds in bars))
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.set_xlabel(unit, fontsize=8)
    axes.tick_params(length=0, labelsize=9)
    axes.xaxis.set_visible(bool(unit))
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(file, metadata={"Software": None})
    plt.close(figure)


def shown(figure: float) -> str:
    """A figure with three significant digits."""
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"


if __name__ == "__main__":
    main()
