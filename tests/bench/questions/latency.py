"""How long does an event take from its POST to its handler on an idle bus?"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from tests.bench import pace, waits
from tests.bench.figures import Answer, Series, at_most, compared, percentile
from tests.bench.question import question
from tests.bench.sides.raw_reader import STREAM
from tests.bench.stage import Stage, port_of
from tests.bench.waits import Sender

RATE: Final = 50.0
"""Requests a second on each side: an idle bus."""
WARM_UP_RATE: Final = 500.0


@question(
    "POST sent to handler entered, beside a bare XADD to a blocked XREADGROUP",
    is_starred=True,
    latency_p50_vs_raw=at_most(2),
    latency_p99_vs_raw=at_most(5),
)
async def latency(stage: Stage) -> Sequence[Answer]:
    events = stage.scale(500, 150)
    server, raw_server = await stage.valkey(), await stage.valkey()
    worker = await stage.worker(server, "tests.bench.stopwatch:app")
    ingest = await stage.ingest(server)
    reader = await stage.script(raw_server, "tests.bench.sides.raw_reader")
    posts = Sender(await pace.http(ingest.port).connect(1), waits.post)
    adds = Sender(await pace.redis(port_of(raw_server)).connect(1), partial(waits.add, STREAM))

    async def both(rate: float) -> tuple[list[float], list[float]]:
        turns = zip(posts.prepared(events), adds.prepared(events), strict=True)
        # In turn, event by event: other load of the machine affects both.
        await pace.steadily([send for turn in turns for send in turn], 2 * rate)
        return await posts.arrived_ms(worker), await adds.arrived_ms(reader)

    await both(WARM_UP_RATE)
    found: dict[str, list[float]] = {}
    for number in stage.numbers():
        round_of = figures(*await both(RATE))
        for name, figure in round_of.items():
            found.setdefault(name, []).append(figure)
        stage.report_round(number, round_of)
    return answers({name: Series(name, tuple(values)) for name, values in found.items()})


def figures(ours_ms: Sequence[float], raw_ms: Sequence[float]) -> dict[str, float]:
    """The percentiles of a round."""
    sides = (("hookbus", ours_ms), ("raw", raw_ms))
    return {f"{name} {p}": percentile(ms, share) for p, share in (("p50", 0.5), ("p99", 0.99)) for name, ms in sides}


def answers(found: dict[str, Series]) -> list[Answer]:
    """One answer per percentile."""
    return [compared(f"latency_{p}_vs_raw", found[f"hookbus {p}"], found[f"raw {p}"], "ms") for p in ("p50", "p99")]
