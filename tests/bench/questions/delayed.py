"""Does a worker slow down when a million retries of its group are not due yet?"""

from collections.abc import Sequence
from typing import Final

from hookbus.worker.pipeline.outcome import Cause, Park
from tests.bench import backlog, settled
from tests.bench.figures import Answer, at_least, compared
from tests.bench.question import question
from tests.bench.stage import Stage

DUE_S: Final = 86_400.0
CAUSE: Final = Cause("ConnectionError", "the mail server is unreachable")


@question("worker with a million retries that are not due, beside none", delayed_1m_overhead=at_least(0.9))
async def delayed(stage: Stage) -> Sequence[Answer]:
    events, parked = stage.scale(200_000, 50_000), stage.scale(1_000_000, 20_000)
    server = await stage.valkey()
    await backlog.store(server, events)
    await settled.write(server, "delayed", parked, lambda number: Park(DUE_S + number / 1000, CAUSE))
    with_many, without = await stage.rounds_of(
        million=lambda: backlog.worker_rate(stage, server, events, "delayed"),
        none=lambda: backlog.worker_rate(stage, server, events, "none"),
    )
    return [compared("delayed_1m_overhead", with_many, without, "events/s")]
