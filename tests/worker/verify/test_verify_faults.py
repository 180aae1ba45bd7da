"""`hookbus-worker verify` while it, ingest, Redis or the connection between them fails."""

import asyncio
import signal

import pytest

from hookbus.shared.connection import connect
from tests.programs import Ingest
from tests.wait import until
from tests.worker.verifying import Verify, paused_with, remaining_keys, run_name, stored


async def _has_some(client, name: str, count: int) -> bool:
    return len(await stored(client, name)) >= count


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupted_run_prints_its_report_and_leaves_no_data(redis_url, client, number):
    with Ingest(redis_url) as ingest:
        await ingest.until_healthy()
        with Verify(redis_url, ingest.url, "--count", "1000", "--rate", "20") as verify:
            name = await run_name(client)
            await until(lambda: stored(client, name))
            code, report = await verify.done(number)
    assert code == 130
    assert report["is_interrupted"]
    assert 0 < report["posted"] < 1000
    assert report["accepted"] == report["posted"]
    assert await remaining_keys(client) == []


async def test_the_next_run_removes_the_data_of_a_killed_one(redis_url, client):
    with Ingest(redis_url) as ingest:
        await ingest.until_healthy()
        with Verify(redis_url, ingest.url, "--count", "1000", "--rate", "20") as verify:
            name = await run_name(client)
            await paused_with(client, name, 3)
            await verify.end(signal.SIGKILL)
        assert len(await remaining_keys(client)) > 5
        with Verify(redis_url, ingest.url, "--count", "5") as verify:
            code, report = await verify.done()
    assert (code, report["swept"]) == (0, [name])
    assert await remaining_keys(client) == []


async def test_two_concurrent_runs_do_not_mix(redis_url, client):
    with Ingest(redis_url) as ingest:
        await ingest.until_healthy()
        args = ("--count", "100", "--rate", "50")
        with Verify(redis_url, ingest.url, *args) as first, Verify(redis_url, ingest.url, *args) as second:
            found = [await first.done(), await second.done()]
    for code, report in found:
        assert (code, report["handled"], report["duplicate"], report["swept"]) == (0, 100, 0, [])
    assert await remaining_keys(client) == []


async def test_refused_posts_are_repeated_as_openai_does(redis_url, client):
    """Ingest is killed during the run, and started again."""
    with Ingest(redis_url) as ingest:
        await ingest.until_healthy()
        with Verify(redis_url, ingest.url, "--count", "150", "--rate", "50") as verify:
            name = await run_name(client)
            await until(lambda: _has_some(client, name, 2))  # so the first post, which goes alone, was answered
            await ingest.end(signal.SIGKILL)
            await asyncio.sleep(0.5)  # a time in which posts are refused
            with Ingest(redis_url, port=ingest.port) as restarted:
                await restarted.until_healthy()
                code, report = await verify.done()
    assert code == 0, report
    assert report["handled"] == 150
    assert report["answers"]["0 no_connection"] > 0
    assert await remaining_keys(client) == []


async def test_a_kill_of_a_durable_redis_during_the_run_loses_nothing(own_server):
    client = connect(own_server.url, "tests")
    with Ingest(own_server.url, HOOKBUS_INGEST_DURABILITY="fsync") as ingest:
        await ingest.until_healthy()
        with Verify(own_server.url, ingest.url, "--count", "150", "--rate", "50") as verify:
            name = await run_name(client)
            await until(lambda: _has_some(client, name, 5))
            own_server.stop(signal.SIGKILL)
            await asyncio.sleep(0.5)  # a time in which posts are refused
            own_server.start()
            code, report = await verify.done()
    await client.aclose()
    client = connect(own_server.url, "tests")
    assert code == 0, report
    assert (report["handled"], report["missing"]) == (150, 0)
    assert report["answers"]["503 queue_unavailable"] > 0
    assert await remaining_keys(client) == []
    await client.aclose()


async def test_an_event_that_ingest_stores_after_its_post_timed_out_is_removed_too(redis_url, client, late_proxy):
    with Ingest(redis_url) as ingest:
        await ingest.until_healthy()
        url, passing = await late_proxy(ingest.url, delay_s=2)
        args = ("--count", "4", "--rate", "0", "--patience", "0", "--wait", "0")
        with Verify(redis_url, url, *args) as verify:
            code, report = await verify.done()
        assert {await task for task in passing} == {200}
    assert (code, report["accepted"], report["unknown"]) == (1, 1, 3)
    assert len(report["unknown_ids"]) == 3
    assert await remaining_keys(client) == []
