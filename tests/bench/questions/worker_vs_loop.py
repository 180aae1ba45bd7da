"""Which share of the rate of a bare redis-py loop remains when deliveries are routed, timed, counted, and may fail?"""

from collections.abc import Sequence

from tests.bench import backlog
from tests.bench.figures import Answer, at_least, compared
from tests.bench.question import question
from tests.bench.stage import Stage


@question("worker beside a bare loop", is_starred=True, worker_vs_loop=at_least(0.6))
async def worker_vs_loop(stage: Stage) -> Sequence[Answer]:
    events = stage.scale(400_000, 100_000)
    server = await stage.valkey()
    await backlog.store(server, events)
    hookbus, loop = await stage.rounds_of(
        hookbus=lambda: backlog.worker_rate(stage, server, events),
        loop=lambda: backlog.loop_rate(stage, server, events),
    )
    return [compared("worker_vs_loop", hookbus, loop, "events/s")]
