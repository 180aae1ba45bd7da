"""The network between the programs and Redis: slow, narrow, cut, half-open, cut in the middle of a reply."""

from typing import Any, Final

from hookbus.shared.valkey import Valkey
from tests.chaos.harness.proxy import FaultProxy
from tests.chaos.harness.scenario import scenario
from tests.chaos.harness.stage import Stage
from tests.programs import free_port
from tests.wait import until

RATE: Final = 100.0
LATENCY_S: Final = 0.2
NARROW_BYTES_PER_S: Final = 64 * 1024.0


@scenario("network", "G1, G2, G9: a slow, narrow, cut or half-open network to Redis loses nothing")
async def the_network_breaks(stage: Stage) -> None:
    server = await stage.valkey(port=free_port())
    proxy = await FaultProxy(int(server.url.rpartition(":")[2].partition("/")[0])).start()
    try:
        await break_it(stage, server, proxy)
    finally:
        await proxy.close()


def plan(number: int) -> dict[str, Any]:
    """A few fail at first."""
    return {"do": ["fail", "ok"] if number % 50 == 0 else ["ok"]}


async def break_it(stage: Stage, server: Valkey, proxy: FaultProxy) -> None:
    """Cause one fault after the other, under load; each has to have an effect, and ends."""
    url = f"redis://127.0.0.1:{proxy.port}/0"
    ingest = await stage.ingest(url)
    stage.ledger.expect("alpha")
    stage.ledger.expect("beta")
    workers = [await stage.worker(url, "alpha", "beta") for _ in range(2)]
    sender = await stage.sender(ingest)
    accepted = stage.ledger.accepted

    async def until_progress(count: int) -> None:
        """Wait until `count` more events are accepted, during the fault or after it."""
        before = len(accepted)
        await until(lambda: len(accepted) >= before + count, timeout_s=60)

    async with sender.flow(RATE, plan):
        for _ in range(stage.scale(3, 1)):
            await until_progress(50)
            proxy.resets_left = stage.scale(10, 3)
            await until(lambda: not proxy.resets_left)
            await until_progress(50)
            proxy.latency_s = LATENCY_S
            await until_progress(stage.scale(300, 50))
            proxy.latency_s = 0.0
            assert proxy.cut(), "there was no connection to cut"
            await until_progress(50)
            proxy.bytes_per_s = NARROW_BYTES_PER_S
            await until_progress(stage.scale(300, 50))
            proxy.bytes_per_s = 0.0
            assert proxy.silence(), "there was no connection to silence"
            await until_progress(50)
    await stage.until_accounted(server)
    stage.ledger.facts["refused"] = str(sender.refused.total())
    assert ingest.deaths == 0, "ingest died of it"
    assert not any(worker.deaths for worker in workers), "a worker died of it"
