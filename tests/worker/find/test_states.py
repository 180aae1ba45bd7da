"""What is derived of a delivery of which nothing is left: that it was handled, and what else may have happened."""

import pytest

from hookbus.shared.clock import now_ms
from hookbus.worker.find.life import Doubt, Handled, StoredBeforeGroup, Subject, Trimmed, Unknown
from tests.worker.builders import GROUP, KEYS, STREAM, TYPE
from tests.worker.dead_letters import subscribe
from tests.worker.find.lives import NAME, an_entry, life_of, state, stored, taken

LATER_MS = now_ms() + 3_600_000


@pytest.mark.parametrize("of", ["dropped", "discarded", "losses"])
async def test_handled_is_doubted_where_the_group_has_lost_dropped_or_discarded_deliveries(client, of):
    delivery = await taken(client)
    await client.execute_command("XACK", STREAM, GROUP, delivery.entry_id)
    await client.execute_command("HSET", getattr(KEYS, of), GROUP, 3, "audit", 7)
    assert await state(client) == Handled(doubt=Doubt(**{of: 3}))
    await client.execute_command("HSET", getattr(KEYS, of), GROUP, "not ours")
    assert await state(client) == Handled()


async def test_a_trimmed_event_is_handled_only_by_groups_that_began_before_it(client):
    await stored(client)
    for hours, expected in (
        (-1, StoredBeforeGroup()),
        (0, Unknown("the event is trimmed, and was stored about when the group began")),
        (1, Handled(is_trimmed=True)),
    ):
        received_ms = LATER_MS + hours * 3_600_000
        start = f"{LATER_MS - 1}-{2**64 - 1}"
        await subscribe(client, "*", group="late")
        await client.execute_command("HSET", KEYS.groups, "late", start)
        entry = an_entry(received_at_ms=received_ms)
        found = await life_of(client, Subject(KEYS, NAME, "openai", TYPE, entry))
        assert found.groups["late"].states == (expected,), hours


async def test_so_is_one_of_which_its_day_alone_is_known(client):
    await stored(client)
    await client.execute_command("HSET", KEYS.groups, "late", "1700000000000-0")  # on 2023-11-14
    for day, expected in (
        ("2023-11-13", StoredBeforeGroup()),
        ("2023-11-14", Unknown("the event is trimmed, and was stored about when the group began")),
        ("2023-11-15", Trimmed()),
    ):
        found = await life_of(client, Subject(KEYS, NAME, "openai", day=day))
        assert found.groups["late"].states == (expected,), day
    await client.execute_command("HSET", KEYS.discarded, "late", 2)
    found = await life_of(client, Subject(KEYS, NAME, "openai", day="2023-11-15"))
    assert found.groups["late"].states == (Trimmed(Doubt(discarded=2)),)
