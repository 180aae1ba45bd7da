"""Faults under both programs: responses stay correct, and no accepted event is lost."""

import asyncio
import contextlib
import signal

import aiohttp
import pytest

from hookbus.shared.keys import Keys
from tests.end_to_end.conftest import records_of
from tests.programs import Ingest, Worker, event_body, post, post_until_accepted
from tests.wait import until

KEYS = Keys(0)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
async def test_g1_no_accepted_event_is_lost_when_redis_stops_and_starts(own_server, end):
    recorded = records_of(own_server)
    fsync = {"HOOKBUS_INGEST_DURABILITY": "fsync"}
    with Ingest(own_server.url, **fsync) as ingest, Worker(own_server.url, "plain") as worker:
        await ingest.until_healthy()
        await worker.until_working()
        accepted: list[str] = []
        codes: set[str] = set()
        load = asyncio.create_task(_load(ingest.url, accepted, codes))
        for _ in range(2):
            before = len(accepted)
            await until(lambda before=before: len(accepted) > before + 20)
            await asyncio.to_thread(own_server.stop, end)
            codes.clear()
            await until(lambda: "queue_unavailable" in codes)
            await asyncio.to_thread(own_server.start)
        before = len(accepted)
        await until(lambda: len(accepted) > before + 20)
        load.cancel()
        await asyncio.gather(load, return_exceptions=True)
        await until(lambda: set(accepted) <= set(recorded("plain")), timeout_s=40)
        assert codes <= {"accepted", "duplicate", "queue_unavailable"}
        assert ingest.tracebacks() + worker.tracebacks() == []
        assert await worker.end() == 0
        assert await ingest.end(signal.SIGINT) == 0


async def _load(url: str, accepted: list[str], codes: set[str]) -> None:
    """Post one event after the other, each webhook-id once: a refused one is not repeated."""
    number = 0
    while True:
        number += 1
        status, code = await post(url, f"wh_{number}", event_body())
        codes.add(code)
        if status == 200:
            accepted.append(f"wh_{number}")


async def test_g1_ingest_killed_before_its_response_has_stored_all_or_nothing(redis_url, server, handled):
    """Redis is frozen, so the request hangs between verify and answer; then ingest is killed and started again."""
    with Ingest(redis_url) as ingest, server.client() as client:
        await ingest.until_healthy()
        assert await post(ingest.url, "wh_0", event_body()) == (200, "accepted")
        client.execute_command("CLIENT", "PAUSE", 10_000, "WRITE")
        pending = asyncio.create_task(post(ingest.url, "wh_1", event_body()))
        await until(lambda: any(c["cmd"] == "evalsha" and "b" in c["flags"] for c in client.client_list()))
        await ingest.end(signal.SIGKILL)
        with contextlib.suppress(aiohttp.ClientError):
            await pending
        client.execute_command("CLIENT", "UNPAUSE")
    with Ingest(redis_url) as ingest, Worker(redis_url, "plain") as worker:
        await ingest.until_healthy()
        await post_until_accepted(ingest.url, "wh_1", event_body())
        await post_until_accepted(ingest.url, "wh_2", event_body())
        await worker.until_working()
        await until(lambda: sorted(handled("plain")) == ["wh_0", "wh_1", "wh_2"])


async def test_g3_out_of_memory_returns_503_and_stored_events_are_kept(redis_url, server, handled):
    with Ingest(redis_url) as ingest, server.client() as client:
        await ingest.until_healthy()
        assert await post(ingest.url, "wh_1", event_body()) == (200, "accepted")
        client.config_set("maxmemory", client.info("memory")["used_memory"])
        assert await post(ingest.url, "wh_2", event_body(filler="x" * 50_000)) == (503, "overloaded")
        assert client.xlen(KEYS.stream("response.completed")) == 1
        client.config_set("maxmemory", 0)
        assert await post_until_accepted(ingest.url, "wh_2", event_body()) == "accepted"
        with Worker(redis_url, "plain"):
            await until(lambda: handled("plain") == ["wh_1", "wh_2"])


async def test_g3_memory_that_filled_without_a_worker_is_freed_by_workers_and_ingest_continues(redis_url, server):
    stream = KEYS.stream("response.completed")
    with Ingest(redis_url) as ingest, server.client() as client:
        await ingest.until_healthy()
        with Worker(redis_url, "quiet") as worker:  # creates the group and stops
            await worker.until_working()
            await worker.end()
        for i in range(100):
            assert await post(ingest.url, f"wh_{i}", event_body(filler="x" * 20_000)) == (200, "accepted")
        client.config_set("maxmemory", client.info("memory")["used_memory"] - 500_000)
        assert await post(ingest.url, "wh_last", event_body()) == (503, "overloaded")
        with Worker(redis_url, "quiet") as worker:
            await until(lambda: len(worker.logged("handled")) == 100)
            # Only the entry that marks the position remains; the retention time ends in days.
            await until(lambda: client.xlen(stream) == 1)
            assert await post_until_accepted(ingest.url, "wh_last", event_body()) == "accepted"
            await worker.until_logged("handled", webhook_id="wh_last")
        assert {line["webhook_id"] for line in worker.logged("handled")} == {f"wh_{i}" for i in range(100)} | {
            "wh_last"
        }


async def test_a_retry_that_redis_has_no_memory_for_is_parked_once_there_is_memory(redis_url, server, handled):
    with Ingest(redis_url) as ingest, Worker(redis_url, "flaky_slow") as worker, server.client() as client:
        await ingest.until_healthy()
        await worker.until_working()
        await post(ingest.url, "wh_1", event_body())
        await until(lambda: handled("flaky_slow", "started") == ["wh_1"])
        client.mset({"test:fail": 1, "test:go": 1})
        client.config_set("maxmemory", 1)
        await worker.until_logged("settling_delayed")
        client.config_set("maxmemory", 0)
        await worker.until_logged("parked", webhook_id="wh_1")
        client.delete("test:fail")
        await until(lambda: handled("flaky_slow") == ["wh_1"])


async def test_g9_flushed_scripts_are_loaded_again_without_any_failure(redis_url, server, handled):
    with Ingest(redis_url) as ingest, Worker(redis_url, "flaky") as worker, server.client() as client:
        await ingest.until_healthy()
        await worker.until_working()
        for i in range(5):
            client.script_flush()
            assert await post(ingest.url, f"wh_{i}", event_body()) == (200, "accepted")
        client.script_flush()
        await until(lambda: len(handled("flaky")) == 5)


async def test_g9_flushed_data_are_reported_and_both_programs_continue(redis_url, server, handled):
    with Ingest(redis_url) as ingest, Worker(redis_url, "plain") as worker, server.client() as client:
        await ingest.until_healthy()
        await worker.until_working()
        assert await post(ingest.url, "wh_1", event_body()) == (200, "accepted")
        await until(lambda: handled("plain") == ["wh_1"])
        client.flushall()
        assert await post_until_accepted(ingest.url, "wh_2", event_body()) == "accepted"
        await until(lambda: handled("plain") == ["wh_2"])
        await worker.until_logged("data_loss", group="plain")
        await ingest.until_logged("data_loss")
        assert client.hgetall(KEYS.losses)


async def test_g7_a_subscription_that_hangs_delays_no_other(redis_url, handled, client):
    with Ingest(redis_url) as ingest, Worker(redis_url, "slow", "plain") as worker:
        await ingest.until_healthy()
        await worker.until_working()
        names = [f"wh_{i}" for i in range(120)]
        await asyncio.gather(*(post(ingest.url, name, event_body()) for name in names))
        await until(lambda: sorted(handled("plain")) == sorted(names))
        # As many as its concurrency began, and none finished.
        await until(lambda: len(handled("slow", "started")) >= 50)
        assert len(handled("slow", "started")) == 50
        assert handled("slow") == []
        await client.execute_command("SET", "test:go", 1)
        await until(lambda: sorted(handled("slow")) == sorted(names))
