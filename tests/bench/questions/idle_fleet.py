"""Does an event cost Redis more because a hundred idle workers wait for events, too?

All workers of the group block on the same streams. One XADD wakes every one of them, and Redis looks at each stream of
each once more; only one worker gets the event.
"""

from collections.abc import Sequence
from typing import Final

from hookbus.shared.events import BY_TYPE
from tests.bench.figures import Answer, at_most, compared
from tests.bench.lone import TYPES, Lone
from tests.bench.question import question
from tests.bench.stage import Stage

IDLE: Final = 100


@question("Redis CPU per event with a hundred idle workers beside one", idle_fleet_cost=at_most(3))
async def idle_fleet(stage: Stage) -> Sequence[Answer]:
    seconds = stage.scale(5.0, 2.0)
    alone = await Lone.start(stage, 1)
    many = await Lone.start(stage, 1 + IDLE)
    fleet, one = await stage.rounds_of(fleet=lambda: many.redis_us(seconds), one=lambda: alone.redis_us(seconds))
    percent = await many.idle_us(seconds) / seconds / 1e4
    note = f"{len(BY_TYPE)} types are known, {len(TYPES)} seen; Redis takes {percent:.2g} % of a core for an idle fleet"
    return [compared("idle_fleet_cost", fleet, one, "us", note)]
