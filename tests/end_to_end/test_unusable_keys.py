"""G7 for unusable keys: other streams and groups continue, and a repaired key is used again."""

import pytest

from hookbus.shared.keys import Keys
from tests.programs import Ingest, Worker, event_body, post
from tests.wait import until

KEYS = Keys(0)
BAD = "batch.failed"


async def test_g7_an_unusable_stream_delays_no_other_type_of_a_wildcard(redis_url, handled, client):
    with Ingest(redis_url) as ingest, Worker(redis_url, "plain") as worker:
        await ingest.until_healthy()
        await worker.until_working()
        await client.execute_command("SADD", KEYS.types, BAD)  # workers read the types that were seen
        await client.execute_command("SET", KEYS.stream(BAD), "a slip")
        for i in range(3):
            assert (await post(ingest.url, f"wh_{i}", event_body()))[0] == 200
        await until(lambda: sorted(handled("plain")) == ["wh_0", "wh_1", "wh_2"])
        await worker.until_logged("key_unusable", key=KEYS.stream(BAD))
        await client.execute_command("DEL", KEYS.stream(BAD))
        assert (await post(ingest.url, "wh_bad", event_body(BAD)))[0] == 200
        await until(lambda: "wh_bad" in handled("plain"))
        assert await worker.end() == 0


async def test_g7_unusable_keys_of_one_group_stop_no_other_group(redis_url, handled, client):
    of_group = (KEYS.delayed, KEYS.delayed_data, KEYS.dead, KEYS.dead_data, KEYS.dead_fingerprints)
    broken = [key("failing") for key in (*of_group, KEYS.consumers, KEYS.deaths)]
    broken += [KEYS.paused, KEYS.due, KEYS.expiries]
    for key in broken:
        await client.execute_command("SET", key, "a slip")
    with Ingest(redis_url) as ingest, Worker(redis_url, "plain", "failing") as worker:
        await ingest.until_healthy()
        await worker.until_working()
        for i in range(3):
            assert (await post(ingest.url, f"wh_{i}", event_body()))[0] == 200
        await until(lambda: sorted(handled("plain")) == ["wh_0", "wh_1", "wh_2"])
        await client.execute_command("DEL", *broken)
        await until(lambda: worker.logged("key_usable_again"))
        assert await worker.end() == 0


@pytest.mark.parametrize("key", [KEYS.groups, KEYS.patterns, KEYS.types])
async def test_an_unusable_key_that_every_worker_needs_is_named_until_it_is_repaired(redis_url, client, key):
    await client.execute_command("SET", key, "a slip")
    with Worker(redis_url, "plain") as worker:
        line = await worker.until_logged("redis_unreachable")
        assert key in line["reason"]
        assert "rename it" in line["reason"]
        await client.execute_command("DEL", key)
        await worker.until_working()
        assert await worker.end() == 0
