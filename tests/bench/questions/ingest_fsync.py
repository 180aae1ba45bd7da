"""What does it cost to write each batch to disk before its 200s?"""

from collections.abc import Sequence

from tests.bench import load
from tests.bench.figures import Answer, at_least, compared
from tests.bench.question import question
from tests.bench.stage import Stage


@question("ingest with appendfsync always, beside everysec", ingest_fsync_vs_everysec=at_least(0.9))
async def ingest_fsync(stage: Stage) -> Sequence[Answer]:
    durable = await stage.ingest(await stage.valkey(appendfsync="always"), HOOKBUS_INGEST_DURABILITY="fsync")
    plain = await stage.ingest(await stage.valkey())
    always, everysec = await load.in_turn(stage, always=durable.port, everysec=plain.port)
    return [compared("ingest_fsync_vs_everysec", always, everysec, "requests/s")]
