from hookbus.shared import keys
from hookbus.worker.console import look
from hookbus.worker.console.work import Work
from hookbus.worker.inventory import registry
from tests.worker.builders import GROUP, join, store
from tests.worker.dead_letters import create_groups, letter, store_letters


async def test_a_look_counts_deaths_of_this_hour_and_of_the_one_before(client):
    await create_groups(client, GROUP)
    now_ms = await registry.now_ms(client)
    ages_s = (60, 1800, 3500, 3700, 7100, 7300)
    await store_letters(client, *(letter(f"wh_{s}", dead_lettered_at_ms=now_ms - s * 1000) for s in ages_s))
    beside = (await look.fetch(client, 1, 1, Work())).beside
    assert (beside.died_last_hour, beside.died_hour_before) == (3, 2)
    assert [cause.count for cause in beside.causes] == [6]
    assert beside.unasked == {}


async def test_stored_events_are_counted_even_when_they_were_trimmed(client):
    await create_groups(client, GROUP)
    await join(client)
    ids = await store(client, "wh_1", "wh_2", "wh_3")
    await client.execute_command("XDEL", keys.Keys(0).stream("response.completed"), ids[0])
    found = await look.fetch(client, 1, 1, Work())
    assert sum(found.bus.stored.values()) == 3
    assert look.figures(found)["", "stored"] == 3


async def test_a_look_tells_the_time_of_redis_as_it_goes_on(client):
    await create_groups(client, GROUP)
    found = await look.fetch(client, 1, 1, Work())
    assert abs(found.now_ms() - await registry.now_ms(client)) < 1000
    assert found.now_ms() >= found.bus.now_ms
