"""Events that kill the worker that handles them, among innocent ones beside them."""

from collections.abc import Mapping
from typing import Final

from hookbus.shared.connection import connect
from hookbus.shared.keys import Keys
from hookbus.shared.valkey import Valkey
from hookbus.worker.pipeline.dead_letter import decode
from tests.chaos.harness.scenario import scenario
from tests.chaos.harness.stage import Stage
from tests.deaths import WAYS

GROUP: Final = "poisoned"
APP: Final = "tests.chaos.handlers.poison:poisoned"
DEATHS_OF_ONE: Final = 2
"""tests/README.md, G5: of workers; then it dies in quarantine."""
DEATHS_WITH_CHILDREN: Final = 5
"""The same where a worker dies with its quarantine processes."""


@scenario("poison", "G5: events that kill their worker are dead-lettered; those beside them are handled")
async def some_kill(stage: Stage) -> None:
    killers = stage.scale(["exit", "segfault", "eat", *WAYS], ["eat", "exit_child_task"])
    stage.expected_tracebacks = ("crashed",)  # some of the killers cause it
    server = await stage.valkey()
    ingest = await stage.ingest(server.url)
    stage.ledger.expect(GROUP)
    sender = await stage.sender(ingest)
    # All are stored before the first worker starts, so that it fetches them together.
    plans = [*killers, *["ok"] * stage.scale(200, 40)]
    stage.rng.shuffle(plans)
    names = {await sender.send(do=[plan]): plan for plan in plans}
    workers = [await stage.worker(server.url, APP, is_ready=False) for _ in range(2)]
    await stage.until_accounted(server, timeout_s=300)
    deaths = sum(worker.deaths for worker in workers)
    stage.ledger.facts["deaths"] = str(deaths)
    await only_the_guilty_are_dead_letters(stage, server, names)
    assert deaths <= DEATHS_OF_ONE * len(killers), f"{deaths} deaths of {len(killers)} killers"


@scenario("poison_container", "G5: the same, where worker and quarantine processes always die together")
async def some_kill_the_container(stage: Stage) -> None:
    server = await stage.valkey()
    ingest = await stage.ingest(server.url)
    stage.ledger.expect(GROUP)
    sender = await stage.sender(ingest)
    plans = ["container", *["ok"] * stage.scale(60, 20)]
    stage.rng.shuffle(plans)
    names = {await sender.send(do=[plan]): plan for plan in plans}
    worker = await stage.worker(server.url, APP, is_ready=False)
    await stage.until_accounted(server, timeout_s=300)
    stage.ledger.facts["deaths"] = str(worker.deaths)
    await only_the_guilty_are_dead_letters(stage, server, names)
    assert worker.deaths == DEATHS_WITH_CHILDREN, f"{worker.deaths} deaths of one killer"


async def only_the_guilty_are_dead_letters(stage: Stage, server: Valkey, names: Mapping[str, str]) -> None:
    """Whether exactly the killers are dead letters, and all others were handled."""
    guilty = {name for name, plan in names.items() if plan != "ok"}
    letters = await dead_letters(server)
    assert letters == dict.fromkeys(guilty, "worker_lost"), f"dead letters {letters}, killers {guilty}"
    handled = stage.ledger.handled(GROUP)
    assert handled.keys() == names.keys() - guilty, "an innocent event was not handled"


async def dead_letters(server: Valkey) -> dict[str, str]:
    """The reason of each dead letter, by webhook-id."""
    client = connect(server.url, "chaos", connections=1)
    try:
        flat = await client.execute_command("HGETALL", Keys(0).dead_data(GROUP))
    finally:
        await client.aclose()
    return {name.decode(): decode(record).reason for name, record in zip(flat[::2], flat[1::2], strict=True)}
