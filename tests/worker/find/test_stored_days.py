"""What the day sets of the dedupe window tell."""

from hookbus.shared.dedupe import DAY_MS, digest_of
from hookbus.worker.find import stored_days
from tests.worker.builders import KEYS, TYPE, store

NOW_MS = 20_000 * DAY_MS + 5


async def test_every_day_of_a_window_is_asked_for_every_source(client):
    for source, day in (("openai", 20_000), ("shop", 20_001), ("old", 19_961), ("ancient", 19_960)):
        await client.execute_command("SADD", KEYS.seen(day), digest_of(source, "wh_1"))
    names = ("openai", "shop", "old", "ancient", "none")
    found = await stored_days.fetch(client, KEYS, "wh_1", names, NOW_MS, {})
    assert found == [("shop", 20_001), ("openai", 20_000), ("old", 19_961)]
    assert await stored_days.fetch(client, KEYS, "wh_2", names, NOW_MS, {}) == []


async def test_a_set_of_another_type_tells_nothing_and_is_named(client):
    await client.execute_command("SET", KEYS.seen(20_000), "no set")
    unusable: dict[str, str] = {}
    assert await stored_days.fetch(client, KEYS, "wh_1", ["openai"], NOW_MS, unusable) == []
    assert set(unusable) == {KEYS.seen(20_000)}


async def test_the_last_event_of_each_stream_names_its_source(client):
    await store(client, "wh_1", "wh_2")
    for stream, fields in (
        ("shop.order", ("src", "shop")),
        ("foreign.type", ("a", "b")),
        ("odd.type", ("src", b"\xff")),
    ):
        await client.execute_command("XADD", KEYS.stream(stream), "*", *fields)
    await client.execute_command("SET", KEYS.stream("broken.type"), "no stream")
    names = [TYPE, "shop.order", "foreign.type", "odd.type", "broken.type", "empty.type"]
    unusable: dict[str, str] = {}
    found = await stored_days.sources(client, [(KEYS, name) for name in names], unusable)
    assert found == {"openai", "shop", "", "\ufffd"}
    assert set(unusable) == {KEYS.stream("broken.type")}


def test_a_day_in_words():
    assert stored_days.text_of(20_000) == "2024-10-04"
