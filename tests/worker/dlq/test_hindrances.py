import msgspec
import pytest

from hookbus.shared.keys import Keys
from hookbus.worker.dlq import hindrances
from hookbus.worker.inventory import pauses, suspensions
from hookbus.worker.inventory.suspensions import Held, Opened
from tests.worker.dead_letters import create_groups, start_workers, subscribe

KEYS = Keys(0)
TYPE = "response.completed"
LATER_MS = 4_000_000_000_000
OPENED = Opened("0123456789", "ValueError: no such customer", 1, LATER_MS)


async def whys(client, **counts: int) -> list[tuple[str, int]]:
    places = {("billing", name.replace("_", ".")): count for name, count in counts.items()}
    return [(each.why, each.count) for each in await hindrances.fetch(client, [KEYS], places)]


async def ready(client, *patterns: str) -> None:
    await subscribe(client, *patterns)
    await start_workers(client, "billing")


async def suspend(client, pattern: str, suspension=OPENED) -> None:
    await client.execute_command(
        "HSET", suspensions.KEY, suspensions.field("billing", pattern), suspensions.encode(suspension)
    )


async def test_nothing_hinders_a_subscribed_type_of_a_group_with_a_live_worker(client):
    await ready(client, "response.*")
    assert await whys(client, response_completed=3) == []
    assert await hindrances.fetch(client, [KEYS], {}) == []


async def test_a_type_that_its_group_does_not_subscribe_to_waits_for_nobody(client):
    await ready(client, "response.*")
    assert await whys(client, batch_failed=2, response_completed=3) == [("unsubscribed", 2)]


async def test_a_group_without_a_live_worker_handles_nothing(client):
    await create_groups(client, "billing")
    assert await whys(client, response_completed=3) == [("no_worker", 3)]


@pytest.mark.parametrize("pattern", ["*", "response.*", TYPE])
async def test_a_pause_hinders_the_types_that_it_matches(client, pattern):
    await ready(client, "response.*", "batch.*")
    await pauses.write(client, [KEYS], "billing", pattern)
    [found, *_] = await hindrances.fetch(client, [KEYS], {("billing", TYPE): 1})
    assert msgspec.structs.astuple(found) == ("billing", TYPE, 1, "paused", f"{pattern} is paused")
    assert await whys(client, batch_failed=1) == ([("paused", 1)] if pattern == "*" else [])


@pytest.mark.parametrize("suspension", [OPENED, Held("RateLimited: wait", 1, LATER_MS)])
async def test_the_most_specific_subscription_alone_can_be_suspended(client, suspension):
    await ready(client, "response.*", TYPE)
    await suspend(client, "response.*", suspension)
    assert await whys(client, response_completed=1, response_failed=2) == [("suspended", 2)]
    await suspend(client, TYPE, suspension)
    found = await hindrances.fetch(client, [KEYS], {("billing", TYPE): 1})
    assert found[0].detail == f"{TYPE} is suspended: {suspension.error}"


async def test_of_several_hindrances_the_firmest_is_named(client):
    await ready(client, "response.*")
    await pauses.write(client, [KEYS], "billing", "*")
    await suspend(client, "response.*")
    assert await whys(client, response_completed=1, batch_failed=1) == [("unsubscribed", 1), ("paused", 1)]
