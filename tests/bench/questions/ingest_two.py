"""Do two processes on one port handle more than one? Only with enough cores: Redis and the load need some too."""

import os
from collections.abc import Sequence

from tests.bench import load
from tests.bench.figures import Answer, compared
from tests.bench.question import question
from tests.bench.stage import Stage


@question("two ingests on one port, beside one", ingest_two_vs_one=None)
async def ingest_two(stage: Stage) -> Sequence[Answer]:
    shared = await stage.valkey()
    first = await stage.ingest(shared)
    await stage.ingest(shared, port=first.port)
    alone = await stage.ingest(await stage.valkey())
    two, one = await load.in_turn(stage, two=first.port, one=alone.port)
    note = f"on {os.cpu_count()} cores, which the load and Redis share"
    return [compared("ingest_two_vs_one", two, one, "requests/s", note)]
