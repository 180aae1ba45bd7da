"""Replays, with the real programs."""

import signal

from tests.programs import Ingest, Program, Worker, event_body, post
from tests.wait import until
from tests.worker.commands import objects, succeeded

NAMES = [f"wh_{i:02}" for i in range(40)]
GROUP = "repeated"


async def test_a_replay_delivers_history_once_more_and_new_events_once(redis_url, handled):
    with Ingest(redis_url) as ingest, Worker(redis_url, GROUP, "plain") as first, Worker(redis_url, GROUP) as second:
        await ingest.until_healthy()
        for worker in (first, second):
            await worker.until_working()
        for i, name in enumerate(NAMES):
            await post(ingest.url, name, event_body("batch.completed" if i % 4 else "response.completed"))
        await until(lambda: sorted(handled(GROUP, "first")) == NAMES)
        await until(lambda: sorted(handled("plain")) == NAMES)
        live = [f"live_{i}" for i in range(10)]
        with Program("hookbus-worker", "replay", GROUP, "--rate", "30", redis_url=redis_url) as replay:
            await until(lambda: handled(GROUP, "replay"))
            for name in live:
                await post(ingest.url, name, event_body())
            assert await replay.until_ended() == 0
            assert replay.raw[-1] == f"40 events replayed to {GROUP}"
        await until(lambda: sorted(handled(GROUP, "replay")) == NAMES)
        await until(lambda: sorted(handled(GROUP, "first")) == sorted([*NAMES, *live]))
        await until(lambda: sorted(handled("plain")) == sorted([*NAMES, *live]))
        assert sorted(handled(GROUP, "replay:1")) == NAMES
        summary = objects(redis_url, "replay", GROUP, "--type", "batch.*", "--json")[0]
        assert (summary["replayed"], summary["types"]) == (30, {"batch.completed": 30})
        await until(lambda: len(handled(GROUP, "replay")) == 70)


async def test_a_delivery_stays_a_replay_through_a_death_a_failure_and_a_redrive(redis_url, handled, client):
    with Ingest(redis_url) as ingest, Worker(redis_url, GROUP) as killed:
        await ingest.until_healthy()
        await killed.until_working()
        await post(ingest.url, "wh_1", event_body())
        await until(lambda: handled(GROUP, "first") == ["wh_1"])
        await client.execute_command("SET", "test:fail", 1)
        succeeded(redis_url, "replay", GROUP, "--id", "wh_1")
        await until(lambda: handled(GROUP, "replay:1") == ["wh_1"])
        await killed.end(signal.SIGKILL)
        with Worker(redis_url, GROUP) as claimant:
            await until(lambda: handled(GROUP, "replay:1") == ["wh_1"] * 2)
            await client.execute_command("SET", "test:go", 1)
            await claimant.until_logged("dead_letter", reason="attempts_exhausted")
            assert handled(GROUP, "replay:2") == ["wh_1"]
            await client.execute_command("DEL", "test:fail")
            assert succeeded(redis_url, "dlq", "redrive", "--group", GROUP, "--all") == "1 dead letter redriven\n"
            await until(lambda: handled(GROUP, "replay") == ["wh_1"])
            assert handled(GROUP, "first:1") == ["wh_1"]
            assert await claimant.end() == 0
