"""The tools cost Redis a handful of round trips however many groups there are."""

import pytest

from hookbus.shared.connection import connect
from hookbus.worker.inspect import snapshot, status
from hookbus.worker.inventory import pauses
from hookbus.worker.inventory.readers import register
from tests.round_trips import RoundTrips
from tests.worker.builders import KEYS, a_membership, store
from tests.worker.dead_letters import create_groups

TYPES = [f"made.up{i}" for i in range(40)]


async def _groups(client, count: int) -> None:
    """Groups that subscribe to two of forty types each, with a consumer, a pause, a retry and a snoozed delivery."""
    names = [f"g{i}" for i in range(count)]
    await create_groups(client, *names)
    for i, name in enumerate(names):
        subscribed = [TYPES[i % 40], TYPES[(i + 1) % 40]]
        await a_membership(client, KEYS, name, "earliest", subscribed).join(subscribed)
        await client.execute_command("HSET", KEYS.consumers(name), f"c{i}", register(1, subscribed, ""))
        await client.execute_command("SET", KEYS.alive(f"c{i}"), 1)
        await client.execute_command("ZADD", KEYS.delayed(name), 1_000 + i, "a")
        await client.execute_command("ZADD", KEYS.snoozed(name), 10 + i, "a")
        await pauses.write(client, [KEYS], name, subscribed[0])
    for name in TYPES:
        await store(client, "wh_1", event_type=name)


@pytest.mark.parametrize("tool", [status, snapshot], ids=["status", "exporter"])
async def test_fifty_groups_cost_as_many_round_trips_as_two(client, server, tool):
    taken = []
    for rounds, count in enumerate((2, 50), 1):
        await _groups(client, count)
        async with RoundTrips(server.socket) as proxy, connect(proxy.url, "tests:tool") as through:
            await through.execute_command("PING")
            before = proxy.count
            found = await tool.fetch(through, 1)
            taken.append(proxy.count - before)
        groups = found.groups if tool is status else found.status.groups
        assert len(groups) == count
        last = groups[f"g{count - 1}"]
        assert (last.consumers_alive, last.delayed, last.snoozed_since_ms, len(last.paused)) == (1, 1, 9 + count, 1)
        assert sum(entry.backlog for entry in last.types.values()) == 2 * rounds
    assert taken[0] == taken[1] <= 20
