"""Does the tenth group cost Redis more than the first? Each reads and acks every event; storing is not counted."""

from collections.abc import Sequence

from hookbus.shared.valkey import Valkey
from tests.bench import backlog
from tests.bench.cpu import Used
from tests.bench.fanout import GROUPS
from tests.bench.figures import Answer, at_most, compared
from tests.bench.question import question
from tests.bench.stage import Stage


@question("Redis CPU per event and group with ten groups, beside one", fanout_10_groups_vs_1=at_most(1.1))
async def fanout(stage: Stage) -> Sequence[Answer]:
    events = stage.scale(100_000, 10_000)
    server = await stage.valkey()
    await backlog.store(server, events)
    ten, one = await stage.rounds_of(
        ten=lambda: redis_us(stage, server, events, GROUPS), one=lambda: redis_us(stage, server, events, GROUPS[:1])
    )
    return [compared("fanout_10_groups_vs_1", ten, one, "us")]


async def redis_us(stage: Stage, server: Valkey, events: int, groups: Sequence[str]) -> float:
    """Microseconds of Redis' CPU per event and group; one process runs all groups."""
    for group in groups:
        await backlog.rewind(server, group)
    used = Used({"redis": server.pid})
    deliveries = events * len(groups)
    apps = [f"tests.bench.fanout:{group}" for group in groups]
    worker = await stage.worker(server, *apps, BENCH_EVENTS=str(deliveries))
    await worker.until_logged("measured", backlog.MEASURED_S)
    await stage.end(worker)  # with the last acks
    return used.so_far_us()["redis"] / deliveries
