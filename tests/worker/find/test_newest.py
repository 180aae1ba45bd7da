import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookbus.shared.keys import Keys
from hookbus.shared.times import LAST_MS
from hookbus.worker.find import newest
from hookbus.worker.find.newest import Chosen, Place
from tests.worker.builders import KEYS, store
from tests.worker.dead_letters import create_groups

TYPES = ("a.one", "a.two", "b.one")
ALL = Chosen()


async def fill(client, ids):
    """Store an event of a type at each id; its webhook-id names both. In the order of places."""
    for event_type, entry_id in sorted(ids, key=lambda each: (each[1], each[0])):
        await store(client, f"{event_type}_{entry_id}", event_type=event_type, entry_id=f"{entry_id}-0")


def names(page):
    return [each.webhook_id for each in page.events]


@pytest.fixture
async def many(client):
    """120 events of three types, three of each millisecond, which have the same ids."""
    await create_groups(client)
    ids = [(TYPES[i % 3], 1000 + i // 3) for i in range(120)]
    await fill(client, ids)
    return [f"{event_type}_{entry_id}" for event_type, entry_id in sorted(ids, key=lambda each: (each[1], each[0]))]


async def test_pages_continue_without_a_gap_or_a_repeat_in_both_directions(client, many):
    seen, place, pages = [], None, []
    while True:
        page = await newest.older(client, 1, ALL, place)
        pages.append(page)
        seen += names(page)
        place = page.more
        if place is None:
            break
    assert seen == many[::-1]
    assert [len(page.events) for page in pages] == [50, 50, 20]
    up = await newest.newer(client, 1, ALL, pages[2].events[0].place)
    assert names(up) == names(pages[1])
    up = await newest.newer(client, 1, ALL, up.more)
    assert names(up) == names(pages[0])
    assert (await newest.newer(client, 1, ALL, up.events[0].place)).events == []
    again = await newest.older(client, 1, ALL, pages[0].events[0].place.inclusive)
    assert names(again) == names(pages[0])


async def test_a_pattern_and_a_source_choose_and_a_rare_one_ends_after_a_bound(client, many, monkeypatch):
    assert names(await newest.older(client, 1, Chosen("b.*"))) == [name for name in many[::-1] if name[0] == "b"]
    assert names(await newest.older(client, 1, Chosen("a.two", "openai"))) == [n for n in many[::-1] if "two" in n]
    assert (await newest.older(client, 1, Chosen("c.*"))).read == 0
    monkeypatch.setattr(newest, "MOST", 70)
    page = await newest.older(client, 1, Chosen(source="elsewhere"))
    assert (page.events, page.read, str(page.more)) == ([], 70, "1016-0,0,b.one")
    page = await newest.older(client, 1, Chosen(source="elsewhere"), page.more)
    assert (page.read, page.more) == (50, None)


async def test_all_shards_are_one_list(client):
    await create_groups(client, shards=2)
    for i in range(10):
        keys = Keys(i % 2)
        await client.execute_command("SADD", keys.types, "a.one")
        fields = ("id", f"wh_{i}", "src", "s", "at", 1, "body", "x" * i)
        await client.execute_command("XADD", keys.stream("a.one"), f"{5 + i // 2}-0", *fields)
    page = await newest.older(client, 1, ALL)
    assert [(each.webhook_id, each.size) for each in page.events] == [(f"wh_{i}", i) for i in reversed(range(10))]


async def test_little_is_read_of_large_bodies(client, monkeypatch):
    await create_groups(client)
    replies = []
    read = newest.execute_usable

    async def counted(client, commands, *rest):
        found = await read(client, commands, *rest)
        replies.extend(sum(len(b"".join(fields)) for _, fields in each) for each in found)
        return found

    monkeypatch.setattr(newest, "execute_usable", counted)
    for i in range(60):
        await store(client, f"wh_{i}", filler="x" * 300_000)
    page = await newest.older(client, 1, ALL)
    assert len(page.events) == newest.ROWS
    assert max(replies) < newest.REPLY_BYTES + 300_000
    assert all(each.size > 300_000 for each in page.events)


async def test_what_is_no_event_is_counted_and_a_key_of_another_type_named(client):
    await create_groups(client)
    await store(client, "wh_1")
    await client.execute_command("XADD", KEYS.stream("a.one"), f"{2**64 - 1}-7", "no", "event")
    await client.execute_command("SADD", KEYS.types, "a.one", "a.two")
    await client.execute_command("SET", KEYS.stream("a.two"), "1")
    page = await newest.older(client, 1, ALL)
    assert (names(page), page.unreadable, page.read, list(page.unusable)) == (["wh_1"], 1, 2, [KEYS.stream("a.two")])
    assert Place(2**64 - 1, 7, 0, "a.one").stored_ms == LAST_MS


async def test_an_empty_redis_has_none(client):
    assert (await newest.older(client, 1, ALL)).events == []


ids = st.integers(0, 2**64 - 1)


@given(ids, ids, st.integers(0, 999_999), st.from_regex(r"[A-Za-z0-9_.-]{0,128}", fullmatch=True))
def test_a_place_is_read_again_from_its_text(ms, sequence, shard, event_type):
    place = Place(ms, sequence, shard, event_type)
    assert Place.of(str(place)) == place
    assert Place.of(str(place.inclusive)) > place


@pytest.mark.parametrize(
    "text", ["", "x", "1-1", f"{2**64}-0,0,a", f"0-{'9' * 20},0,a", "1-1,0,a b", "١-1,0,a", "1-1,0,\n"]
)
def test_what_is_no_place_is_refused(text):
    with pytest.raises(ValueError, match="is no place"):
        Place.of(text)
