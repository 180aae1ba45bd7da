"""Which share of the rate of plain aiohttp remains when each request is verified, deduped and stored?"""

from collections.abc import Sequence

from tests.bench import load
from tests.bench.figures import Answer, at_least, compared
from tests.bench.question import question
from tests.bench.stage import Stage
from tests.programs import free_port


@question("ingest beside aiohttp that only answers", is_starred=True, ingest_vs_floor=at_least(0.75))
async def ingest_vs_floor(stage: Stage) -> Sequence[Answer]:
    ingest = await stage.ingest(await stage.valkey())
    port = free_port()
    await stage.script(None, "tests.bench.sides.floor", str(port))
    hookbus, floor = await load.in_turn(stage, hookbus=ingest.port, floor=port)
    return [compared("ingest_vs_floor", hookbus, floor, "requests/s")]
