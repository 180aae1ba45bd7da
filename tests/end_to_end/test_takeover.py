"""Workers that die and workers that stop: what they had in hand runs elsewhere, and the innocent are not blamed."""

import signal
import time

from shared.keys import Keys
from tests.programs import Ingest, Worker, event_body, post
from tests.wait import until

KEYS = Keys(0)


async def test_g4_what_a_killed_worker_had_in_hand_runs_elsewhere_within_15_s_and_nothing_else_is_repeated(
    redis_url, handled, client
):
    names = [f"wh_{i}" for i in range(5)]
    with (
        Ingest(redis_url) as ingest,
        Worker(redis_url, "slow", "plain") as doomed,
    ):
        await ingest.until_fit()
        await doomed.until_working()
        for name in names:
            await post(ingest.url, name, event_body())
        await until(lambda: len(handled("slow", "started")) == 5 and len(handled("plain")) == 5)
        with Worker(redis_url, "slow", "plain") as heir:
            await heir.until_working()
            doomed.process.send_signal(signal.SIGKILL)
            died_at = time.monotonic()
            await until(lambda: len(handled("slow", "started")) == 10, timeout_s=20)
            assert time.monotonic() - died_at < 15
            await client.execute_command("SET", "test:go", 1)
            await until(lambda: sorted(handled("slow")) == names)
            await heir.until_logged("consumer_gone", group="slow")
            await heir.until_logged("consumer_gone", group="plain")
            # What the dead one had finished is not run again.
            assert sorted(handled("plain")) == names
            assert await heir.end() == 0


async def test_g5_three_killers_among_two_hundred_innocents_end_alone(redis_url, handled, server):
    innocent = [f"wh_{i}" for i in range(200)]
    killers = ["wh_k0", "wh_k1", "wh_k2"]
    with Ingest(redis_url) as ingest:
        await ingest.until_fit()
        for i, name in enumerate(innocent):
            if i % 70 == 30:
                await post(ingest.url, killers[i // 70], event_body(id="killer"))
            await post(ingest.url, name, event_body())
        deaths = 0
        worker = Worker(redis_url, "deadly")
        try:
            deadline = time.monotonic() + 240
            while len(set(handled("deadly"))) < 200 or _dead(server) != 3:
                assert time.monotonic() < deadline, (len(set(handled("deadly"))), _dead(server), worker.raw[-20:])
                if worker.process.poll() is not None:
                    deaths += 1
                    worker.__exit__(None, None, None)
                    worker = Worker(redis_url, "deadly")
                await until(lambda: True)
        finally:
            worker.__exit__(None, None, None)
    assert set(handled("deadly")) == set(innocent)
    with server.client() as client:
        assert {name.decode() for name in client.zrange(KEYS.dead("deadly"), 0, -1)} == set(killers)
    # One death in company, one more when all ran together again, then three alone for each killer.
    assert deaths <= 2 + 3 * 3


def _dead(server) -> int:
    with server.client() as client:
        return client.zcard(KEYS.dead("deadly"))


async def test_a_stopping_worker_finishes_what_it_has_in_hand_and_leaves_the_group(redis_url, handled, client):
    with Ingest(redis_url) as ingest, Worker(redis_url, "slow") as leaving:
        await ingest.until_fit()
        await leaving.until_working()
        await post(ingest.url, "wh_1", event_body())
        await until(lambda: handled("slow", "started") == ["wh_1"])
        leaving.process.send_signal(signal.SIGTERM)
        await leaving.until_logged("draining", running=1)
        await post(ingest.url, "wh_2", event_body())
        await client.execute_command("SET", "test:go", 1)
        assert await leaving.end() == 0
        assert handled("slow", "started") == handled("slow") == ["wh_1"]
        assert await client.execute_command("HKEYS", KEYS.consumers("slow")) == []
        assert await client.execute_command("XINFO", "CONSUMERS", KEYS.stream("response.completed"), "slow") == []
        with Worker(redis_url, "slow"):
            await until(lambda: handled("slow") == ["wh_1", "wh_2"])
