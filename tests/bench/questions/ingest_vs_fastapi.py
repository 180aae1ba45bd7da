"""Ingest beside the usual first implementation of the same job, with FastAPI."""

from collections.abc import Sequence

from tests.bench import load
from tests.bench.figures import Answer, at_least, compared
from tests.bench.question import question
from tests.bench.stage import Stage
from tests.peers.environment import PINNED, python_of
from tests.programs import SECRET, free_port


@question("ingest beside FastAPI", is_starred=True, ingest_vs_fastapi=at_least(6))
async def ingest_vs_fastapi(stage: Stage) -> Sequence[Answer]:
    python = python_of("fastapi", PINNED["fastapi"])
    ingest = await stage.ingest(await stage.valkey())
    port = free_port()
    await stage.peer(python, await stage.valkey(), "receive_fastapi.py", str(port), SECRET)
    hookbus, fastapi = await load.in_turn(stage, hookbus=ingest.port, fastapi=port)
    return [compared("ingest_vs_fastapi", hookbus, fastapi, "requests/s")]
