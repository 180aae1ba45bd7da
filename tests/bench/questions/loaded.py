"""The whole path under load: its capacity first, then half of it, and the cost of an event then and at lower rates.

Capacity is the rate of wrk's requests, including the time until the last of them is handled. At half of it an open loop
sends at a steady rate, so that a slow response neither delays nor hides anything.
"""

from collections.abc import Sequence
from typing import Final

from tests.bench.figures import Answer, Series, parted, percentile, reported
from tests.bench.question import question
from tests.bench.stage import Stage
from tests.bench.whole import Whole

LOWER_RATES: Final = (10.0, 100.0, 1000.0)
"""Events a second for which the README has the cost of a million."""


@question(
    "the whole path at half its capacity: p99, and CPU per event",
    latency_loaded_p99_ms=None,
    cpu_us_per_event=None,
)
async def loaded(stage: Stage) -> Sequence[Answer]:
    whole = await Whole.start(stage)
    capacity = await whole.capacity(stage.scale(5.0, 2.0))
    stage.report_round(0, {"capacity": capacity})
    p99_ms: list[float] = []
    used_us: dict[str, list[float]] = {}
    for number in stage.numbers():
        waits_ms, cpu_us = await whole.at(capacity / 2, stage.scale(10.0, 2.0))
        p99_ms.append(percentile(waits_ms, 0.99))
        for name, us in cpu_us.items():
            used_us.setdefault(name, []).append(us)
        stage.report_round(number, {"p99 ms": p99_ms[-1]} | cpu_us)
    note = f"at {capacity / 2:,.0f} events/s, half of {capacity:,.0f}"
    series = [Series(name, tuple(figures)) for name, figures in used_us.items()]
    lower: list[Series] = []
    for rate in LOWER_RATES:
        _, cpu_us = await whole.at(rate, stage.scale(30.0, 2.0))
        lower += [Series(f"{name} at {rate:g}/s", (us,)) for name, us in cpu_us.items()]
    return [
        reported("latency_loaded_p99_ms", [Series("whole path", tuple(p99_ms))], "ms", note),
        parted("cpu_us_per_event", series, "us", note, more=lower),
    ]
