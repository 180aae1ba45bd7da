"""Does an event cost Redis more because its group subscribes to many types? One worker blocks on the streams of all."""

from collections.abc import Sequence

from tests.bench.figures import Answer, at_most, compared
from tests.bench.lone import MANY_TYPES, TYPES, Lone
from tests.bench.question import question
from tests.bench.stage import Stage


@question("Redis CPU per event with many types seen, beside few", wide_types_cost=at_most(3))
async def wide_types(stage: Stage) -> Sequence[Answer]:
    seconds = stage.scale(5.0, 2.0)
    narrow = await Lone.start(stage, 1)
    wide = await Lone.start(stage, 1, MANY_TYPES)
    many, few = await stage.rounds_of(many=lambda: wide.redis_us(seconds), few=lambda: narrow.redis_us(seconds))
    return [compared("wide_types_cost", many, few, "us", f"{len(MANY_TYPES)} types beside {len(TYPES)}")]
