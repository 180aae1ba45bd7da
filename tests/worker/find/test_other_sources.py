"""An event whose source a group does not take is acked without a run, and is not told as handled."""

from hookbus.shared.keys import Keys
from hookbus.worker.find.life import Doubt, Handled, OtherSource
from hookbus.worker.inventory.readers import register_routes
from tests.worker.builders import GROUP, KEYS, STREAM, TYPE, a_route
from tests.worker.find.lives import state, taken


async def acked(client) -> None:
    delivery = await taken(client)
    await client.execute_command("XACK", STREAM, GROUP, delivery.entry_id)


async def worker(client, name: str, *routes, is_alive: bool = True, keys: Keys = KEYS) -> None:
    registered = register_routes(1, routes, "", has_quarantine=True)
    await client.execute_command("HSET", keys.consumers(GROUP), name, registered)
    if is_alive:
        await client.execute_command("SET", keys.alive(name), 1)


def a_narrow(pattern: str = TYPE, **options):
    async def handle(event: dict) -> None: ...

    return a_route(handle, pattern, **options)


async def test_an_event_of_a_source_that_no_worker_takes_was_acked_unrun(client):
    await acked(client)
    await worker(client, "host.1.a", a_narrow(source=("shop", "claude")))
    assert await state(client) == OtherSource(("claude", "shop"))
    await worker(client, "host.1.a", a_narrow(source=("shop", "openai")))
    assert await state(client) == Handled()


async def test_the_most_specific_pattern_decides(client):
    await acked(client)
    await worker(client, "host.1.a", a_narrow("*", source="openai"), a_narrow("response.*", source="shop"))
    assert await state(client) == OtherSource(("shop",))
    await worker(client, "host.1.a", a_narrow("response.*", source="shop"), a_narrow())
    assert await state(client) == Handled()


async def test_where_workers_differ_it_may_have_been_handled(client):
    await acked(client)
    await worker(client, "host.1.a", a_narrow(source="shop"))
    await worker(client, "host.2.b", a_narrow())
    assert await state(client) == Handled(doubt=Doubt(takes=("shop",)))


async def test_workers_that_are_gone_count_where_none_lives(client):
    await acked(client)
    await worker(client, "host.1.a", a_narrow(source="shop"), is_alive=False)
    assert await state(client) == OtherSource(("shop",))
    await worker(client, "host.2.b", a_narrow(), is_alive=True)
    assert await state(client) == Handled()
