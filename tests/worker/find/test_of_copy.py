import pytest

from hookbus.worker.find import of_copy
from hookbus.worker.find.life import Dead
from tests.worker.builders import GROUP, KEYS, TYPE, store
from tests.worker.dead_letters import create_groups, letter, store_letters


@pytest.mark.parametrize(("beside_ms", "is_found"), [(0, True), (4_000, True), (-4_000, True), (60_000, False)])
async def test_the_event_of_a_copy_is_found_only_about_the_time_at_which_it_was_received(client, beside_ms, is_found):
    await create_groups(client, GROUP, "audit")
    for webhook_id in ("wh_0", "wh_1", "wh_2"):
        await store(client, webhook_id)
    entries = await client.execute_command("XRANGE", KEYS.stream(TYPE), "-", "+")
    dead = letter("wh_1", type=TYPE, received_at_ms=int(entries[1][0].partition(b"-")[0]) + beside_ms)
    await store_letters(client, dead)
    found = await of_copy.life(client, 1, KEYS, TYPE, dead.entry())
    assert (found is not None) == is_found
    if found:
        assert found.subject.place is not None
        assert found.subject.place.entry_id == entries[1][0].decode()
        assert {type(state) for state in found.groups[GROUP].states} >= {Dead}
        assert "audit" in found.groups
