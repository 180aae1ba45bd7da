import pytest

from hookbus.shared.keys import HANDOVER
from hookbus.worker.inspect import status
from hookbus.worker.inventory.readers import register
from tests.worker.builders import GROUP, STREAM, TYPE, join, redeliver, store, take
from tests.worker.builders import register as register_consumer
from tests.worker.dead_letters import create_groups

WITH, WITHOUT = (register(1, [TYPE], "", has_quarantine=has).decode() for has in (True, False))
OTHERS = register(1, ["batch.*"], "").decode()


async def waiting(client) -> dict[str, int]:
    return (await status.fetch(client, 1)).groups[GROUP].waiting_suspects


@pytest.fixture
async def suspects(client):
    """Two suspects of dead consumers, and an innocent."""
    await create_groups(client, GROUP)
    await join(client)
    await store(client, "wh_1", "wh_2")
    await redeliver(client, "wh_3")
    first, _ = await take(client, "dead")
    (third,) = await take(client, HANDOVER, own=True)
    for one in (first, third):
        await client.execute_command("XCLAIM", one.stream, GROUP, HANDOVER, 0, one.entry_id, "RETRYCOUNT", 2)
    return first


@pytest.mark.parametrize(
    ("alive", "expected"),
    [
        ([WITHOUT], {TYPE: 2}),
        ([WITHOUT, OTHERS], {TYPE: 2}),
        ([WITHOUT, WITH], {}),
        ([WITHOUT, "{}"], {}),  # of another release
        ([OTHERS], {}),  # nobody reads the type: another problem
        ([], {}),
    ],
)
async def test_suspects_wait_if_readers_of_their_type_live_and_none_has_a_quarantine(client, suspects, alive, expected):
    for number, info in enumerate(alive):
        await register_consumer(client, f"c{number}", info=info)
    assert await waiting(client) == expected


async def test_a_delivery_that_a_live_consumer_holds_does_not_wait(client, suspects):
    await register_consumer(client, "me", info=WITHOUT)
    await client.execute_command("XCLAIM", STREAM, GROUP, "me", 0, suspects.entry_id, "RETRYCOUNT", 3)
    assert await waiting(client) == {TYPE: 1}
