"""`hookbus-worker verify` while it, ingest, Redis or the line between them fails."""

import asyncio
import signal

import pytest

from hookbus.shared.connection import connect
from tests.programs import Ingest
from tests.wait import until
from tests.worker.verifying import Verify, left, paused_with, run_name, stored


async def _has_some(client, name: str, count: int) -> bool:
    return len(await stored(client, name)) >= count


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_interrupted_it_tells_what_it_knows_and_leaves_nothing(redis_url, client, number):
    with Ingest(redis_url) as ingest:
        await ingest.until_fit()
        with Verify(redis_url, ingest.url, "--count", "1000", "--rate", "20") as verify:
            name = await run_name(client)
            await until(lambda: stored(client, name))
            code, report = await verify.done(number)
    assert code == 130
    assert report["is_interrupted"]
    assert 0 < report["posted"] < 1000
    assert report["accepted"] == report["posted"]
    assert await left(client) == []


async def test_what_a_killed_run_left_is_removed_by_the_next(redis_url, client):
    with Ingest(redis_url) as ingest:
        await ingest.until_fit()
        with Verify(redis_url, ingest.url, "--count", "1000", "--rate", "20") as verify:
            name = await run_name(client)
            await paused_with(client, name, 3)
            await verify.end(signal.SIGKILL)
        assert len(await left(client)) > 5
        with Verify(redis_url, ingest.url, "--count", "5") as verify:
            code, report = await verify.done()
    assert (code, report["swept"]) == (0, [name])
    assert await left(client) == []


async def test_two_at_once_do_not_meet(redis_url, client):
    with Ingest(redis_url) as ingest:
        await ingest.until_fit()
        args = ("--count", "100", "--rate", "50")
        with Verify(redis_url, ingest.url, *args) as one, Verify(redis_url, ingest.url, *args) as other:
            found = [await one.done(), await other.done()]
    for code, report in found:
        assert (code, report["handled"], report["duplicate"], report["swept"]) == (0, 100, 0, [])
    assert await left(client) == []


async def test_refused_posts_come_again_as_openais_do(redis_url, client):
    """Ingest is killed in the middle, and started again."""
    with Ingest(redis_url) as ingest:
        await ingest.until_fit()
        with Verify(redis_url, ingest.url, "--count", "150", "--rate", "50") as verify:
            name = await run_name(client)
            await until(lambda: stored(client, name))
            await ingest.end(signal.SIGKILL)
            await asyncio.sleep(0.5)  # a time in which posts are refused
            with Ingest(redis_url, port=ingest.port) as again:
                await again.until_fit()
                code, report = await verify.done()
    assert code == 0, report
    assert report["handled"] == 150
    assert report["answers"]["0 no_connection"] > 0
    assert await left(client) == []


async def test_redis_killed_in_the_middle_costs_nothing_when_it_is_durable(own_server):
    client = connect(own_server.url, "tests")
    with Ingest(own_server.url, HOOKBUS_INGEST_DURABILITY="fsync") as ingest:
        await ingest.until_fit()
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
    assert await left(client) == []
    await client.aclose()


async def test_an_event_that_ingest_stores_after_we_gave_up_on_its_answer_is_removed_too(redis_url, client, late_proxy):
    with Ingest(redis_url) as ingest:
        await ingest.until_fit()
        url, passing = await late_proxy(ingest.url, delay_s=2)
        args = ("--count", "4", "--rate", "0", "--patience", "0", "--wait", "0")
        with Verify(redis_url, url, *args) as verify:
            code, report = await verify.done()
        assert {await task for task in passing} == {200}
    assert (code, report["accepted"], report["unknown"]) == (1, 1, 3)
    assert len(report["unknown_ids"]) == 3
    assert await left(client) == []
