"""An upgrade: two ingest processes on one port and three workers are restarted one by one, under constant load."""

from typing import Final

from hookbus.shared.keys import HANDOVER
from tests.chaos.harness.scenario import scenario
from tests.chaos.harness.stage import Stage
from tests.programs import free_port

DRAIN_S: Final = 1.0
"""Time for a load balancer to notice; here the kernel is the balancer, and notices at once."""
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
            for supervised in (*ingests, *workers):
                await supervised.restart()
    await stage.until_accounted(server)
    report = stage.ledger.report()
    stage.ledger.facts["restarts"] = str(sum(supervised.deaths for supervised in (*ingests, *workers)))
    stage.ledger.facts["refused"] = str(sender.refused.total())
    assert not sender.refused, f"refused: {dict(sender.refused)}"
    assert report.duplicates == 0, f"{report.duplicates} deliveries ran twice, although no program crashed"
    dead = [line for worker in workers for line in worker.logged("takeover") if line["consumer"] != HANDOVER]
    assert not dead, f"a stopped worker left its deliveries to a takeover: {dead[0]}"
    failed = [
        name
        for group in stage.ledger.groups
        for name in stage.ledger.accepted
        if has_second_attempt(stage, group, name)
    ]
    assert not failed, f"a stop used up an attempt: {failed[:5]}"


def has_second_attempt(stage: Stage, group: str, name: str) -> bool:
    """Whether a delivery that never failed had a second attempt."""
    return any(entry.attempt > 1 for entry in stage.ledger.entries(group, name))
