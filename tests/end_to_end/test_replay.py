"""History delivered again, with the real programs."""

import signal

from tests.programs import Ingest, Program, Worker, event_body, post
from tests.wait import until
from tests.worker.commands import objects, succeeded

NAMES = [f"wh_{i:02}" for i in range(40)]
GROUP = "repeated"


async def test_a_group_gets_its_history_once_more_and_what_arrives_meanwhile_once(redis_url, handled):
    with Ingest(redis_url) as ingest, Worker(redis_url, GROUP, "plain") as one, Worker(redis_url, GROUP) as two:
        await ingest.until_fit()
        for worker in (one, two):
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
        told = objects(redis_url, "replay", GROUP, "--type", "batch.*", "--json")[0]
        assert (told["replayed"], told["types"]) == (30, {"batch.completed": 30})
        await until(lambda: len(handled(GROUP, "replay")) == 70)


async def test_a_replay_that_dies_with_its_worker_fails_and_is_redriven_is_one_until_its_end(
    redis_url, handled, client
):
    with Ingest(redis_url) as ingest, Worker(redis_url, GROUP) as doomed:
        await ingest.until_fit()
        await doomed.until_working()
        await post(ingest.url, "wh_1", event_body())
        await until(lambda: handled(GROUP, "first") == ["wh_1"])
        await client.execute_command("SET", "test:fail", 1)
        succeeded(redis_url, "replay", GROUP, "--id", "wh_1")
        await until(lambda: handled(GROUP, "replay:1") == ["wh_1"])
        await doomed.end(signal.SIGKILL)
        with Worker(redis_url, GROUP) as heir:
            await until(lambda: handled(GROUP, "replay:1") == ["wh_1"] * 2)
            await client.execute_command("SET", "test:go", 1)
            await heir.until_logged("dead_letter", reason="attempts_exhausted")
            assert handled(GROUP, "replay:2") == ["wh_1"]
            await client.execute_command("DEL", "test:fail")
            assert succeeded(redis_url, "dlq", "redrive", "--group", GROUP, "--all") == "1 dead letter redriven\n"
            await until(lambda: handled(GROUP, "replay") == ["wh_1"])
            assert handled(GROUP, "first:1") == ["wh_1"]
            assert await heir.end() == 0
