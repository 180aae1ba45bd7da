"""What a takeover costs does not grow with the number of the dead, nor with that of the types."""

from hookbus.shared.connection import connect
from hookbus.worker.duties.adopt import adopt
from tests.round_trips import RoundTrips
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, TYPE, Handler, consumers, join, register, store
from tests.worker.claimant import claimant

TYPES = [f"invoice.line_{number}" for number in range(60)]


async def die_with_types(client, dead: int) -> None:
    """Each type has one delivery, which one of the dead consumers holds."""
    await join(client, TYPE, *TYPES)
    for number, name in enumerate(TYPES):
        await store(client, f"wh_{name}", event_type=name)
        consumer = f"dead{number % dead}"
        await client.execute_command(
            "XREADGROUP", "GROUP", GROUP, consumer, "COUNT", 1, "STREAMS", KEYS.stream(name), ">"
        )
        await register(client, consumer, alive=False)


async def round_trips(server, redis_url, client, dead: int) -> int:
    handler = Handler(is_open=True)
    await die_with_types(client, dead)
    async with RoundTrips(server.socket) as proxy:
        counted = connect(proxy.url, "tests")
        async with claimant(redis_url, counted, handler, pattern="*", concurrency=len(TYPES)) as worker:
            worker.runtime.reader.add(*TYPES)
            await worker.round()  # loads the scripts
            await until(lambda: len(handler.done) == len(TYPES))
            assert await consumers(client) == {b"me"}
            await client.flushdb()
            await register(client, "me")
            await die_with_types(client, dead)
            before = proxy.count
            await worker.duty._round()
            took = proxy.count - before
            await until(lambda: len(handler.done) == 2 * len(TYPES))
            assert await consumers(client) == {b"me"}
        await counted.aclose()
    return took


async def test_a_takeover_takes_as_many_round_trips_for_fifty_dead_consumers_as_for_one(server, redis_url, client):
    one = await round_trips(server, redis_url, client, 1)
    await client.flushdb()
    assert await round_trips(server, redis_url, client, 50) == one <= 8


async def test_an_adoption_takes_as_many_round_trips_for_fifty_consumers_as_for_one(server, redis_url, client):
    await die_with_types(client, 50)
    await client.delete(KEYS.consumers(GROUP))
    async with RoundTrips(server.socket) as proxy:
        counted = connect(proxy.url, "tests")
        async with claimant(redis_url, counted, Handler(), pattern="*") as worker:
            worker.runtime.reader.add(*TYPES)
            before = proxy.count
            await adopt(worker.duty._here, worker.duty._reader)
            assert proxy.count - before == 3
            assert len(await consumers(client)) == 1 + 50
        await counted.aclose()
