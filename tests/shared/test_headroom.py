import pytest
from msgspec.structs import replace

from hookbus.shared import headroom
from hookbus.shared.headroom import Headroom
from hookbus.shared.keys import Keys
from tests.shared.reports import REDIS

KEYS = Keys(0)
LIMITED = replace(REDIS, used_memory_bytes=1_000_000, maxmemory_bytes=3_000_000)


@pytest.mark.parametrize(
    ("redis", "rate_per_s", "expected"),
    [
        (LIMITED, 4.0, Headroom(10_000, 200, 4.0, 2_500.0)),
        (LIMITED, 0.0, Headroom(10_000, 200, 0.0, None)),
        (replace(LIMITED, used_memory_bytes=4_000_000), 4.0, Headroom(0, 200, 4.0, 0.0)),
        (replace(LIMITED, maxmemory_bytes=0), 4.0, None),
        (replace(LIMITED, maxmemory_bytes=-1), 4.0, None),
    ],
)
def test_headroom_is_the_free_memory_in_events_and_seconds(redis, rate_per_s, expected):
    assert headroom.headroom(redis, 200, rate_per_s) == expected


@pytest.mark.parametrize(
    ("times_ms", "rate"),
    [
        ([], 0.0),
        ([9_000, 8_000, 6_000, 5_000], 0.8),
        ([9_999, 9_998], 2.0),
        ([1_000], pytest.approx(1 / 9)),
    ],
)
def test_the_rate_is_that_of_the_most_recent_events(times_ms, rate):
    assert headroom.rate(times_ms, 10_000) == rate


async def fill(client, count: int, body: str, event_type: str = "response.completed") -> None:
    await client.execute_command("SADD", KEYS.types, event_type)
    pipeline = client.pipeline(transaction=False)
    for _ in range(count):
        fields = ("id", "wh_1", "src", "openai", "at", 1, "body", body)
        pipeline.execute_command("XADD", KEYS.stream(event_type), "*", *fields)
    await pipeline.execute()


async def used(client) -> int:
    return int((await client.execute_command("INFO", "memory")).decode().partition("used_memory:")[2].split()[0])


async def test_the_size_of_an_event_is_measured_to_within_a_quarter(client):
    await client.execute_command("SADD", KEYS.types, "response.completed")
    before = await used(client)
    await fill(client, 5_000, "x" * 700)
    used_bytes = (await used(client) - before) / 5_000
    found = await headroom.fetch(client, [KEYS], LIMITED, 0)
    assert found.event_bytes - headroom.DIGEST_BYTES == pytest.approx(used_bytes, rel=0.25)


async def test_few_events_give_the_default_size(client):
    await fill(client, headroom.FEW - 1, "x" * 10_000)
    found = await headroom.fetch(client, [KEYS], LIMITED, 0)
    assert found.event_bytes == headroom.THIN_EVENT_BYTES + headroom.DIGEST_BYTES


async def test_the_rates_of_types_and_shards_add_up(client):
    for shard in (Keys(0), Keys(1)):
        await client.execute_command("SADD", shard.types, "a", "b")
        for ms in (1_000, 2_000):
            await client.execute_command("XADD", shard.stream("a"), f"{ms}-0", "id", "wh_1")
    found = await headroom.fetch(client, [Keys(0), Keys(1)], LIMITED, 11_000)
    assert found.rate_per_s == 0.4


async def reads(client) -> int:
    """The number of reads by the server: one per round trip, and one per 16 KiB of a long request."""
    stats = (await client.execute_command("INFO", "stats")).decode()
    return int(stats.partition("total_reads_processed:")[2].split()[0])


async def test_20000_types_are_queried_in_batches_of_hundreds(client):
    names = [f"type.{number}" for number in range(20_000)]
    await client.execute_command("SADD", KEYS.types, *names)
    pipeline = client.pipeline(transaction=False)
    for name in names:
        pipeline.execute_command("XADD", KEYS.stream(name), "1000-0", "id", "wh_1")
    await pipeline.execute()
    before = await reads(client)
    found = await headroom.fetch(client, [KEYS], LIMITED, 11_000)
    assert await reads(client) - before < 2_000
    assert found.rate_per_s == pytest.approx(2_000)


async def test_samples_are_split_into_replies_of_some_megabytes(client):
    for name in ("a", "b", "c"):
        await fill(client, headroom.SAMPLE, "x" * 60_000, name)
    sizes = await headroom._sizes(client, [KEYS.stream(name) for name in ("a", "b", "c")])
    assert [len(sampled) for sampled in headroom._samples(sizes)] == [1, 1, 1]


async def test_keys_that_are_no_streams_are_left_out(client):
    await fill(client, headroom.FEW, "x" * 700)
    await client.execute_command("SADD", KEYS.types, "foreign", "absent")
    await client.execute_command("SET", KEYS.stream("foreign"), "x" * 1_000_000)
    found = await headroom.fetch(client, [KEYS], LIMITED, 0)
    assert found.event_bytes < 2_000
