"""An upgrade: two ingest processes on one port and three workers are restarted one by one, under constant load."""

from typing import Final

from hookbus.shared.keys import HANDOVER
from tests.chaos.harness.scenario import scenario
from tests.chaos.harness.stage import Stage
from tests.programs import free_port

DRAIN_S: Final = 1.0
"""For a load balancer to look away; here the kernel is the balancer, and looks at once."""
RATE: Final = 200.0


@scenario("rolling", "G10: a rolling restart of everything refuses no request and loses nothing")
async def everything_is_restarted_in_turn(stage: Stage) -> None:
    server = await stage.valkey()
    port = free_port()
    drain = {"HOOKBUS_INGEST_DRAIN_DELAY_S": str(DRAIN_S)}
    ingests = [await stage.ingest(server.url, port=port, **drain) for _ in range(2)]
    stage.ledger.expect("alpha")
    stage.ledger.expect("beta")
    workers = [await stage.worker(server.url, "alpha", "beta") for _ in range(3)]
    sender = await stage.sender(ingests[0])
    async with sender.flow(RATE, lambda number: {"do": [0.2] if number % 20 == 0 else ["ok"]}):
        for _ in range(stage.scale(3, 1)):
            for kept in (*ingests, *workers):
                await kept.restart()
    await stage.accounted(server)
    report = stage.ledger.report()
    stage.ledger.facts["restarts"] = str(sum(kept.deaths for kept in (*ingests, *workers)))
    stage.ledger.facts["refused"] = str(sender.refused.total())
    assert not sender.refused, f"refused: {dict(sender.refused)}"
    assert report.duplicates == 0, f"{report.duplicates} deliveries ran twice, although nobody crashed"
    robbed = [line for worker in workers for line in worker.logged("takeover") if line["consumer"] != HANDOVER]
    assert not robbed, f"a worker that stopped left deliveries as a dead one does: {robbed[0]}"
    burnt = [name for group in stage.ledger.groups for name in stage.ledger.accepted if burns(stage, group, name)]
    assert not burnt, f"a stop burnt an attempt: {burnt[:5]}"


def burns(stage: Stage, group: str, name: str) -> bool:
    """Whether a delivery that never failed came to a second attempt."""
    return any(note.attempt > 1 for note in stage.ledger.notes(group, name))
