"""Does a worker slow down when a million events wait? Both sides are timed over their first ten thousand."""

import itertools
from collections.abc import Sequence
from typing import Final

from tests.bench import backlog
from tests.bench.figures import Answer, at_least, compared
from tests.bench.question import question
from tests.bench.stage import Stage

FEW: Final = 10_000
MIN_ROUNDS: Final = 11
"""Ten thousand events take a third of a second: one such measurement is not reliable."""


@question("worker with a million events waiting, beside ten thousand", backlog_1m_vs_10k=at_least(0.9))
async def backlog_size(stage: Stage) -> Sequence[Answer]:
    large, small = await stage.valkey(), await stage.valkey()
    await backlog.store(large, stage.scale(1_000_000, 100_000))
    await backlog.store(small, FEW)
    # A new group each time: one that was stopped in the middle has a position and pending deliveries.
    groups = (f"bench{number}" for number in itertools.count())
    million, few = await stage.rounds_of(
        MIN_ROUNDS,
        million=lambda: backlog.worker_rate(stage, large, FEW, next(groups)),
        few=lambda: backlog.worker_rate(stage, small, FEW, next(groups)),
    )
    return [compared("backlog_1m_vs_10k", million, few, "events/s")]
