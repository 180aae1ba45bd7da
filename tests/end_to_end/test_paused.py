"""A paused group beside an active one, with the real programs."""

import time

from tests.programs import Ingest, Worker, event_body, post
from tests.wait import until
from tests.worker.commands import succeeded


async def test_g7_a_pause_takes_effect_within_two_seconds_survives_a_restart_and_delays_no_other_group(
    redis_url, handled
):
    with Ingest(redis_url) as ingest, Worker(redis_url, "plain", "other") as first:
        await ingest.until_healthy()
        await first.until_working()
        succeeded(redis_url, "pause", "plain")
        began_at = time.monotonic()
        await first.until_logged("paused", group="plain")
        assert time.monotonic() - began_at < 2
        await post(ingest.url, "wh_1", event_body())
        await until(lambda: handled("other") == ["wh_1"])
        assert await first.end() == 0
        with Worker(redis_url, "plain", "other") as second:
            await second.until_working()
            await post(ingest.url, "wh_2", event_body())
            await until(lambda: handled("other") == ["wh_1", "wh_2"])
            assert handled("plain") == []
            succeeded(redis_url, "resume", "plain")
            await until(lambda: sorted(handled("plain")) == ["wh_1", "wh_2"], timeout_s=3)
            await second.until_logged("resumed", group="plain")


async def test_g7_deliveries_of_a_dead_worker_wait_while_their_type_is_paused(redis_url, handled, client):
    with Ingest(redis_url) as ingest, Worker(redis_url, "slow") as killed:
        await ingest.until_healthy()
        await killed.until_working()
        await post(ingest.url, "wh_1", event_body())
        await until(lambda: handled("slow", "started") == ["wh_1"])
        succeeded(redis_url, "pause", "slow", "response.*")
        await killed.until_logged("paused")
        killed.process.kill()
        with Worker(redis_url, "slow") as claimant:
            await claimant.until_logged("paused")
            # Of another type: proves that the claimant has looked for dead consumers, and works.
            await post(ingest.url, "wh_2", event_body("batch.completed"))
            await until(lambda: "wh_2" in handled("slow", "started"))
            assert handled("slow", "started").count("wh_1") == 1
            await client.execute_command("SET", "test:go", 1)
            succeeded(redis_url, "resume", "slow")
            await until(lambda: sorted(handled("slow")) == ["wh_1", "wh_2"])


async def test_g7_a_handler_that_always_fails_is_suspended_keeps_its_attempts_and_resumes_by_itself(
    redis_url, handled, client
):
    names = [f"wh_{i}" for i in range(30)]
    with Ingest(redis_url) as ingest, Worker(redis_url, "broken") as first, Worker(redis_url, "broken") as second:
        await ingest.until_healthy()
        for worker in (first, second):
            await worker.until_working()
        await client.execute_command("SET", "test:broken", 1)
        for name in names:
            await post(ingest.url, name, event_body())
        await until(lambda: first.logged("breaker_opened") or second.logged("breaker_opened"))
        await until(lambda: len(first.logged("breaker_stays_open") + second.logged("breaker_stays_open")) >= 2)
        # Another subscription of the group continues.
        await post(ingest.url, "wh_other", event_body("batch.completed"))
        await until(lambda: handled("broken") == ["wh_other"])
        tries = await client.execute_command("LLEN", "test:tries:broken")
        # Five slots in each of two processes until the breaker opens, then one probe at a time; without it hundreds.
        assert tries <= 40
        await client.execute_command("DEL", "test:broken")
        await until(lambda: sorted(handled("broken")) == sorted([*names, "wh_other"]))
        for worker in (first, second):
            await worker.until_logged("breaker_closed")
