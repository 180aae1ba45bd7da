from hookbus.shared import server
from hookbus.shared.connection import connect
from hookbus.shared.keys import Keys
from hookbus.worker.inspect import snapshot
from tests.moving import moving
from tests.worker.builders import a_membership, commandstats
from tests.worker.dead_letters import create_groups

KEYS = Keys(0)
TYPE = "response.completed"


async def add(client, keys: Keys, count: int = 1, event_type: str = TYPE, entry_id: str = "*") -> None:
    await client.execute_command("SADD", keys.types, event_type)
    for _ in range(count):
        fields = ("id", "wh_1", "src", "openai", "at", 1, "body", "{}")
        await client.execute_command("XADD", keys.stream(event_type), entry_id, *fields)


async def test_the_last_event_of_a_type_is_the_last_of_all_shards_even_if_trimmed(client):
    await create_groups(client, "billing", shards=2)
    await add(client, Keys(0), entry_id="7000-3")
    await add(client, Keys(1), entry_id="5000-0")
    await add(client, Keys(1), entry_id="6000-0", event_type="batch.failed")
    await client.execute_command("XTRIM", Keys(0).stream(TYPE), "MAXLEN", 0)
    assert (await snapshot.fetch(client, 1)).last_event_ms == {TYPE: 7000, "batch.failed": 6000}


async def test_a_snapshot_has_the_report_of_redis_and_the_patterns_of_groups(client):
    await a_membership(client, KEYS, "billing", "earliest", ["response.*", "batch.failed"]).join([TYPE])
    await create_groups(client)
    found = await snapshot.fetch(client, 1)
    assert found.patterns == {"billing": {"response.*", "batch.failed"}}
    assert (found.redis.role, found.redis.eviction_policy, found.redis.can_save) == ("master", "noeviction", True)
    assert found.redis.maxmemory_bytes == 0 < found.redis.used_memory_bytes
    assert list(found.status.groups) == ["billing"]


async def test_an_unused_redis_has_no_shards_and_stays_unused(client):
    found = await snapshot.fetch(client, 4)
    assert (found.status.shards, found.last_event_ms, found.patterns) == (0, {}, {})
    assert await client.execute_command("DBSIZE") == 0


async def test_a_snapshot_reads_no_more_of_a_long_stream_than_of_a_short_one(client):
    await create_groups(client)
    await a_membership(client, KEYS, "billing", "earliest", ["*"]).join([TYPE])
    costs = []
    for count in (10, 1000):
        await add(client, KEYS, count)
        await client.execute_command("CONFIG", "RESETSTAT")
        await snapshot.fetch(client, 1)
        stats = (await client.execute_command("INFO", "stats")).decode()
        costs.append((await commandstats(client), _bytes_sent(stats)))
    assert costs[0][0] == costs[1][0]
    assert costs[1][1] < 1.1 * costs[0][1]


def _bytes_sent(stats: str) -> int:
    (line,) = [line for line in stats.splitlines() if line.startswith("total_net_output_bytes:")]
    return int(line.partition(":")[2])


async def test_a_snapshot_has_the_time_in_flight_and_the_age_of_the_oldest_delivery(client):
    await create_groups(client)
    await a_membership(client, KEYS, "billing", "earliest", [TYPE]).join([TYPE])
    await add(client, KEYS, entry_id="1000-0")
    stream = KEYS.stream(TYPE)
    await client.execute_command("XREADGROUP", "GROUP", "billing", "c", "STREAMS", stream, ">")
    await client.execute_command("XCLAIM", stream, "billing", "c", 0, "1000-0", "IDLE", 90_000)
    entry = (await snapshot.fetch(client, 1)).status.groups["billing"].types[TYPE]
    assert 90 <= entry.oldest_in_flight_s < 110
    assert entry.oldest_age_s > 1_000_000


async def test_a_stream_without_its_consumer_group_counts_as_missing_until_it_is_created(client):
    membership = a_membership(client, KEYS, "billing", "earliest", ["response.*"])
    await membership.join(["response.failed"])
    await create_groups(client)
    await add(client, KEYS)
    assert (await snapshot.fetch(client, 1)).status.groups["billing"].missing == 1
    await membership.join([TYPE])
    assert (await snapshot.fetch(client, 1)).status.groups["billing"].missing == 0


async def test_a_snapshot_of_a_replica_is_followed_by_a_new_connection(tmp_path):
    async with moving(tmp_path) as servers:
        client = connect(servers.url, "tests", connections=1)
        await server.inspect(client.execute_command, 1)
        assert (await snapshot.fetch(client, 1)).redis.role == "master"
        await servers.move()
        await snapshot.fetch(client, 1)
        assert (await snapshot.fetch(client, 1)).redis.role == "master"
        await client.aclose()
