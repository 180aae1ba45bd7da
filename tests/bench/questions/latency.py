"""How long does an event take from its POST to its handler on an idle bus?

Beside the same three processes without hookbus: what HTTP, one command of Redis and a blocked read cost by themselves.
"""

from collections.abc import Sequence
from typing import Final

from tests.bench import pace, waits
from tests.bench.figures import Answer, Series, at_most, compared, percentile
from tests.bench.question import question
from tests.bench.stage import Stage
from tests.bench.waits import Sender
from tests.programs import free_port

RATE: Final = 50.0
"""Requests a second on each side: an idle bus."""
WARM_UP_RATE: Final = 500.0


@question(
    "POST sent to handler entered, beside a POST to a bare XADD to a bare blocked XREADGROUP",
    is_starred=True,
    latency_p50_vs_hops=at_most(1.25),
    latency_p99_vs_hops=at_most(1.4),
)
async def latency(stage: Stage) -> Sequence[Answer]:
    events = stage.scale(500, 150)
    server, bare_server = await stage.valkey(), await stage.valkey()
    worker = await stage.worker(server, "tests.bench.stopwatch:app")
    ingest = await stage.ingest(server)
    reader = await stage.script(bare_server, "tests.bench.sides.bare_reader")
    port = free_port()
    await stage.script(bare_server, "tests.bench.sides.bare_ingest", str(port))
    ours = Sender(await pace.http(ingest.port).connect(1), waits.post)
    hops = Sender(await pace.http(port).connect(1), waits.post)

    async def both(rate: float) -> tuple[list[float], list[float]]:
        turns = zip(ours.prepared(events), hops.prepared(events), strict=True)
        # In turn, event by event: other load of the machine affects both.
        await pace.steadily([send for turn in turns for send in turn], 2 * rate)
        return await ours.arrived_ms(worker), await hops.arrived_ms(reader)

    await both(WARM_UP_RATE)
    found: dict[str, list[float]] = {}
    for number in stage.numbers():
        round_of = figures(*await both(RATE))
        for name, figure in round_of.items():
            found.setdefault(name, []).append(figure)
        stage.report_round(number, round_of)
    return answers({name: Series(name, tuple(values)) for name, values in found.items()})


def figures(ours_ms: Sequence[float], hops_ms: Sequence[float]) -> dict[str, float]:
    """The percentiles of a round."""
    sides = (("hookbus", ours_ms), ("hops", hops_ms))
    return {f"{name} {p}": percentile(ms, share) for p, share in (("p50", 0.5), ("p99", 0.99)) for name, ms in sides}


def answers(found: dict[str, Series]) -> list[Answer]:
    """One answer per percentile."""
    return [compared(f"latency_{p}_vs_hops", found[f"hookbus {p}"], found[f"hops {p}"], "ms") for p in ("p50", "p99")]
