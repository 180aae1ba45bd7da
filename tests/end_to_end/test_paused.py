"""A paused group beside one that is not, with the real programs."""

import time

from tests.programs import Ingest, Worker, event_body, post
from tests.wait import until
from tests.worker.commands import succeeded


async def test_g7_a_pause_holds_within_two_seconds_outlasts_a_restart_and_delays_nobody_else(redis_url, handled):
    with Ingest(redis_url) as ingest, Worker(redis_url, "plain", "other") as first:
        await ingest.until_fit()
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
            assert second.logged("resumed", group="plain")


async def test_g7_what_a_dead_worker_held_of_a_paused_type_waits_and_is_not_blamed(redis_url, handled, client):
    with Ingest(redis_url) as ingest, Worker(redis_url, "slow") as doomed:
        await ingest.until_fit()
        await doomed.until_working()
        await post(ingest.url, "wh_1", event_body())
        await until(lambda: handled("slow", "started") == ["wh_1"])
        succeeded(redis_url, "pause", "slow", "response.*")
        await doomed.until_logged("paused")
        doomed.process.kill()
        with Worker(redis_url, "slow") as heir:
            await heir.until_logged("paused")
            # Of another type: proof that the heir has looked for the dead, and works.
            await post(ingest.url, "wh_2", event_body("batch.completed"))
            await until(lambda: "wh_2" in handled("slow", "started"))
            assert handled("slow", "started").count("wh_1") == 1
            await client.execute_command("SET", "test:go", 1)
            succeeded(redis_url, "resume", "slow")
            await until(lambda: sorted(handled("slow")) == ["wh_1", "wh_2"])


async def test_g7_a_handler_that_only_fails_is_left_alone_burns_no_attempts_and_goes_on_by_itself(
    redis_url, handled, client
):
    names = [f"wh_{i}" for i in range(30)]
    with Ingest(redis_url) as ingest, Worker(redis_url, "broken") as one, Worker(redis_url, "broken") as two:
        await ingest.until_fit()
        for worker in (one, two):
            await worker.until_working()
        await client.execute_command("SET", "test:broken", 1)
        for name in names:
            await post(ingest.url, name, event_body())
        await until(lambda: one.logged("breaker_opened") or two.logged("breaker_opened"))
        await until(lambda: len(one.logged("breaker_stays_open") + two.logged("breaker_stays_open")) >= 2)
        # Another subscription of the group goes on.
        await post(ingest.url, "wh_other", event_body("batch.completed"))
        await until(lambda: handled("broken") == ["wh_other"])
        tries = await client.execute_command("LLEN", "test:tries:broken")
        # Two processes of five slots until they know, and then one at a time; without a breaker hundreds.
        assert tries <= 40
        await client.execute_command("DEL", "test:broken")
        await until(lambda: sorted(handled("broken")) == sorted([*names, "wh_other"]))
        for worker in (one, two):
            await worker.until_logged("breaker_closed")
