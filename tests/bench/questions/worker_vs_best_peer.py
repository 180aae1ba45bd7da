"""The worker beside the best of six task queues and frameworks on Redis, each well configured.

All get the same payload as text and need not decode it. First each is measured alone; then the best of them and hookbus
in turn.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.bench import backlog, requests
from tests.bench.figures import Answer, Series, at_least, compared
from tests.bench.question import question
from tests.bench.stage import Stage
from tests.peers.environment import PINNED, python_of

PEERS: Final = ("faststream", "taskiq", "arq", "saq", "streaq", "celery")
MEASURED_S: Final = 120.0
"""Longest wait for a peer, which stores its events first."""


@question("worker beside the best of six peers", is_starred=True, worker_vs_best_peer=at_least(15))
async def worker_vs_best_peer(stage: Stage) -> Sequence[Answer]:
    # Peers handle a few thousand a second; some seconds of each are enough.
    events, of_peers = stage.scale(400_000, 60_000), stage.scale(10_000, 3_000)
    pythons = {name: python_of(name, PINNED[name]) for name in PEERS}
    server = await stage.valkey()
    await backlog.store(server, events)
    alone = {name: await peer_rate(stage, name, python, of_peers) for name, python in pythons.items()}
    stage.report_round(0, alone)
    best = max(alone, key=lambda name: alone[name])
    hookbus, peer = await stage.rounds_of(
        hookbus=lambda: backlog.worker_rate(stage, server, events),
        peer=lambda: peer_rate(stage, best, pythons[best], of_peers),
    )
    others = [Series(f"{name} alone", (rate,)) for name, rate in alone.items()]
    return [compared("worker_vs_best_peer", hookbus, Series(best, peer.figures), "events/s", more=others)]


async def peer_rate(stage: Stage, name: str, python: Path, events: int) -> float:
    """Events a second that a peer handles, from the first to the last, on an empty server."""
    server = await stage.valkey()
    args = (str(events), requests.body().decode())
    program = await stage.peer(python, server, f"consume_{name}.py", *args, ready="measured", limit_s=MEASURED_S)
    [measured] = program.logged("measured")
    await stage.end(program)
    await stage.close(server)
    return float(events / measured["seconds"])
