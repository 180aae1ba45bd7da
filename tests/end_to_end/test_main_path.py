"""A signed POST, a handler, retries and dead letters, with the real programs and independent signers."""

import time
from datetime import UTC, datetime

import aiohttp
import msgspec
import pytest
from openai import OpenAI
from redis.exceptions import ResponseError
from standardwebhooks import Webhook

from hookbus.shared.keys import Keys
from hookbus.worker.pipeline.dead_letter import decode
from tests.programs import SECRET, Ingest, Worker, event_body, post, signed
from tests.wait import TIMER_EARLY_S, until

KEYS = Keys(0)


async def test_an_event_signed_by_the_standardwebhooks_library_reaches_every_group(redis_url, handled):
    body = event_body()
    now = datetime.now(UTC)
    signature = Webhook(SECRET).sign("wh_1", now, body.decode())
    with Ingest(redis_url) as ingest, Worker(redis_url, "plain", "other") as worker:
        await ingest.until_healthy()
        await worker.until_working()
        headers = signed("wh_1", body, at=now.timestamp()) | {"webhook-signature": signature}
        async with aiohttp.ClientSession() as session, session.post(ingest.url, data=body, headers=headers) as answer:
            assert (answer.status, await answer.json()) == (200, {"status": "accepted"})
        await until(lambda: handled("plain") == ["wh_1"] and handled("other") == ["wh_1"])
        assert await worker.end() == 0
        assert await ingest.end(2) == 0


def test_the_openai_sdk_accepts_our_signatures():
    body = event_body()
    client = OpenAI(api_key="unused", webhook_secret=SECRET)
    event = client.webhooks.unwrap(body.decode(), signed("wh_1", body))
    assert event.type == "response.completed"


async def test_g2_every_type_including_an_undocumented_one_reaches_every_subscribed_group(redis_url, handled):
    types = ["response.completed", "live.transport.incoming", "made.up.tomorrow"]
    with Ingest(redis_url) as ingest, Worker(redis_url, "plain", "other") as worker:
        await ingest.until_healthy()
        await worker.until_working()
        for name in types:
            assert await post(ingest.url, f"wh_{name}", event_body(name)) == (200, "accepted")
        webhook_ids = sorted(f"wh_{name}" for name in types)
        await until(lambda: sorted(handled("plain")) == webhook_ids and sorted(handled("other")) == webhook_ids)


async def test_reserved_types_of_hookbus_match_no_wildcard(redis_url, handled, client):
    run = "hookbus.verify.1795830303-0e1732b843ed"
    await client.execute_command("HSET", KEYS.groups, run, "0-0")
    with Ingest(redis_url) as ingest, Worker(redis_url, "plain") as worker:
        await ingest.until_healthy()
        await worker.until_working()
        for names in (
            [run, "made.up"],
            ["made.up.later"],
        ):  # discovered by one look at the types, and by the next
            for name in names:
                assert await post(ingest.url, f"wh_{name}", event_body(name)) == (200, "accepted")
            await until(lambda names=names: f"wh_{names[-1]}" in handled("plain"))
        assert handled("plain") == ["wh_made.up", "wh_made.up.later"]
        assert await client.execute_command("XLEN", KEYS.stream(run)) == 1
        with pytest.raises(ResponseError):  # the redelivery stream does not exist either
            await client.execute_command("XINFO", "GROUPS", KEYS.redelivery(run, "plain"))


async def test_g2_an_event_stored_before_the_first_worker_is_handled_unless_the_group_starts_at_latest(
    redis_url, handled
):
    with Ingest(redis_url) as ingest:
        await ingest.until_healthy()
        assert await post(ingest.url, "wh_before", event_body()) == (200, "accepted")
        with Worker(redis_url, "plain", "late") as worker:
            await worker.until_working()
            assert await post(ingest.url, "wh_after", event_body()) == (200, "accepted")
            await until(lambda: handled("plain") == ["wh_before", "wh_after"] and handled("late") == ["wh_after"])


async def test_g2_an_undecodable_body_becomes_a_dead_letter_at_once_with_its_exact_bytes(redis_url, client):
    body = b'{"type": "response.completed", "broken \xff'
    with Ingest(redis_url) as ingest, Worker(redis_url, "plain") as worker:
        await ingest.until_healthy()
        await worker.until_working()
        assert await post(ingest.url, "wh_broken", body) == (200, "accepted")
        letter = await worker.until_logged("dead_letter", webhook_id="wh_broken")
        assert (letter["reason"], letter["attempt"]) == ("undecodable", 1)
    record = msgspec.msgpack.decode(await client.execute_command("HGET", KEYS.dead_data("plain"), "wh_broken"))
    assert body in record


async def test_g6_a_failed_delivery_is_never_retried_before_its_backoff_ends(redis_url, handled):
    with Ingest(redis_url) as ingest, Worker(redis_url, "flaky") as worker:
        await ingest.until_healthy()
        await worker.until_working()
        await post(ingest.url, "wh_1", event_body())
        await until(lambda: handled("flaky") == ["wh_1"])
        attempts = [line.split() for line in handled("flaky", "attempts")]
        assert [int(number) for number, _ in attempts] == [1, 2, 3]
        times = [float(at) for _, at in attempts]
        # 300 ms, then 600; jitter adds up to a quarter, and each step takes some time.
        assert 0.3 - TIMER_EARLY_S <= times[1] - times[0] < 1.5
        assert 0.6 - TIMER_EARLY_S <= times[2] - times[1] < 2.0


async def test_g6_after_its_last_attempt_a_delivery_is_a_dead_letter_with_its_history(redis_url, handled, client):
    with Ingest(redis_url) as ingest, Worker(redis_url, "failing") as worker:
        await ingest.until_healthy()
        await worker.until_working()
        await post(ingest.url, "wh_1", event_body("response.failed"))
        await post(ingest.url, "wh_2", event_body("response.cancelled"))
        await post(ingest.url, "wh_3", event_body("batch.failed"))
        await worker.until_logged("dead_letter", webhook_id="wh_1", reason="attempts_exhausted", attempt=3)
        await worker.until_logged("dead_letter", webhook_id="wh_2", reason="rejected", attempt=1)
        await until(lambda: handled("failing") == ["wh_3"])
        assert handled("failing", "attempts") == ["wh_1"] * 3
    letter = decode(await client.execute_command("HGET", KEYS.dead_data("failing"), "wh_1"))
    assert [failure.attempt for failure in letter.history] == [1, 2, 3]
    assert (letter.error_class, letter.frame) == ("KeyError", "handlers.py:always_fail")
    assert letter.body == event_body("response.failed")
    assert letter.dead_lettered_at_ms >= letter.received_at_ms > (time.time() - 60) * 1000


async def test_g6_the_retry_schedule_survives_a_restart_of_the_worker(redis_url, handled):
    with Ingest(redis_url) as ingest:
        await ingest.until_healthy()
        with Worker(redis_url, "flaky") as worker:
            await worker.until_working()
            await post(ingest.url, "wh_1", event_body())
            await worker.until_logged("parked", attempt=1)
            await worker.end(9)
        with Worker(redis_url, "flaky") as worker:
            await until(lambda: handled("flaky") == ["wh_1"])
            await worker.until_logged("parked", attempt=2)
            assert not worker.logged("parked", attempt=1)
