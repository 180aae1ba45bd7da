"""What a lone event costs Redis, and the fleet beside which it is measured."""

from hookbus.shared.connection import connect
from tests.bench import backlog, dead
from tests.bench.lone import GROUP, RATE, TYPES, Lone, is_drained
from tests.bench.stage import Stage


async def test_a_lone_event_costs_redis_more_than_nothing_and_less_than_a_second_has():
    async with Stage(lambda number, figures: None, is_quick=True) as stage:
        lone = await Lone.start(stage, 2)
        assert 0 < await lone.redis_us(0.5) < 1e6 / RATE
        client = connect(lone.server.url, "bench", connections=1)
        clients = (await client.execute_command("CLIENT", "LIST")).decode()
        await client.aclose()
    assert clients.count("name=hookbus-worker:liveness:") == 2, "each worker of a fleet is one of its own"


async def test_a_group_is_drained_once_no_event_is_unread_and_none_in_hand(server, redis_url, client):
    await backlog.store(server, len(TYPES), TYPES)
    await dead.hold(client, GROUP, ["one"], TYPES[1:])
    await client.execute_command("XGROUP", "CREATE", backlog.KEYS.stream(TYPES[0]), GROUP, "0")
    assert not await is_drained(client, TYPES[:1]), "it was not read"
    assert not await is_drained(client, TYPES[1:]), "they are in hand"
    for name in TYPES[1:]:
        stream = backlog.KEYS.stream(name)
        [[entry_id, *_]] = await client.execute_command("XPENDING", stream, GROUP, "-", "+", 2)
        await client.execute_command("XACK", stream, GROUP, entry_id)
    assert await is_drained(client, TYPES[1:])


async def test_consumers_die_with_what_they_hold(server, redis_url, client):
    await backlog.store(server, len(TYPES), TYPES)
    await dead.hold(client, GROUP, ["one", "two"], TYPES)
    assert [await held(client, name) for name in TYPES] == [[b"one"], [b"two"], [b"one"]]
    assert await client.execute_command("EXISTS", *map(backlog.KEYS.alive, ("one", "two"))) == 2
    await dead.die(client, ["one", "two"])
    assert await client.execute_command("EXISTS", *map(backlog.KEYS.alive, ("one", "two"))) == 0
    assert [await held(client, name) for name in TYPES] == [[b"one"], [b"two"], [b"one"]]


async def held(client, event_type: str) -> list[bytes]:
    pending = await client.execute_command("XPENDING", backlog.KEYS.stream(event_type), GROUP, "-", "+", 9)
    return [consumer for _, consumer, *_ in pending]
