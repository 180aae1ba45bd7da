"""`hookbus-worker verify` against real programs: it reports the fate of each event and leaves no data."""

import asyncio

import pytest

from hookbus.shared import server as redis_server
from hookbus.shared.connection import connect
from hookbus.shared.destination import Destination
from hookbus.shared.keys import Keys
from hookbus.worker.duties.trim import Trimmer
from hookbus.worker.settings import WorkerSettings
from hookbus.worker.verify.run import Verification
from hookbus.worker.verify.send import Plan
from tests.end_to_end.conftest import records_of
from tests.programs import SECRET, Ingest, Program, Worker, free_port
from tests.wait import TIMER_EARLY_S, until
from tests.worker.builders import GROUP, STREAM, join, store, take
from tests.worker.chores import CHORES
from tests.worker.verifying import Verify, other_database, paused_with, remaining_keys, run_name, stored

KEYS = Keys(0)
OTHER_SECRET = "whsec_" + "QUJD" * 8


def ids(entries) -> list[str]:
    return sorted(fields[1].decode() for _, fields in entries)


@pytest.mark.parametrize("shards", [1, 3])
async def test_every_event_arrives_and_only_the_digests_are_left(redis_url, client, shards):
    environ = {"HOOKBUS_SHARDS": str(shards)}
    with Ingest(redis_url, **environ) as ingest:
        await ingest.until_healthy()
        with Verify(
            redis_url, ingest.url, "--count", "150", "--rate", "300"
        ) as verify:  # reads the shard count from Redis
            code, report = await verify.done()
    assert code == 0, report
    assert (report["posted"], report["accepted"], report["handled"]) == (150, 150, 150)
    assert (report["missing"], report["duplicate"], report["refused"], report["unknown"]) == (0, 0, 0, 0)
    assert 0 < report["accept_ms"]["p50"] <= report["accept_ms"]["p99"] <= report["accept_ms"]["max"]
    assert 0 <= report["delay_ms"]["p50"] <= report["delay_ms"]["p95"] <= report["delay_ms"]["max"] < 10_000
    assert report["took_s"] >= 149 / 300 - TIMER_EARLY_S
    assert await remaining_keys(client) == []


async def test_events_that_vanish_from_redis_are_missing_by_webhook_id(redis_url, client):
    with Ingest(redis_url) as ingest:
        await ingest.until_healthy()
        with Verify(redis_url, ingest.url, "--count", "120", "--rate", "20", "--wait", "4") as verify:
            name = await run_name(client)
            entries = (await paused_with(client, name, 5))[:5]
            await client.execute_command("XDEL", KEYS.stream(name), *(entry_id for entry_id, _ in entries))
            await client.execute_command("HDEL", KEYS.paused, f"{name}|*")
            code, report = await verify.done()
    assert code == 1
    assert (report["accepted"], report["handled"], report["missing"]) == (120, 115, 5)
    assert sorted(missing["webhook_id"] for missing in report["missing_ids"]) == ids(entries)
    assert {missing["where"] for missing in report["missing_ids"]} == {"gone"}
    [hint] = report["hints"]
    assert hint.startswith("5 are no longer in Redis")
    assert await remaining_keys(client) == []


async def test_stored_events_that_are_not_handled_in_time_are_missing_as_stored(redis_url, client):
    with Ingest(redis_url) as ingest:
        await ingest.until_healthy()
        with Verify(redis_url, ingest.url, "--count", "100", "--rate", "20", "--wait", "1") as verify:
            await paused_with(client, await run_name(client), 1)
            code, report = await verify.done()
    assert (code, report["accepted"]) == (1, 100)
    assert 0 < report["missing"] == 100 - report["handled"] == len(report["missing_ids"])
    assert {missing["where"] for missing in report["missing_ids"]} == {"stored"}
    assert "not handled within 1 s" in report["hints"][0]
    assert await remaining_keys(client) == []


async def test_an_event_handled_twice_is_reported_and_is_no_failure(redis_url, client):
    with Ingest(redis_url) as ingest:
        await ingest.until_healthy()
        with Verify(redis_url, ingest.url, "--count", "60", "--rate", "20") as verify:
            name = await run_name(client)
            [(_, fields)] = (await until(lambda: stored(client, name)))[:1]
            await client.execute_command("XADD", KEYS.stream(name), "*", *fields)
            code, report = await verify.done()
    assert (code, report["handled"], report["duplicate"]) == (0, 60, 1)
    assert report["duplicate_ids"] == [fields[1].decode()]


async def test_a_stream_that_is_deleted_during_the_run_is_a_loss_with_a_hint(redis_url, client):
    with Ingest(redis_url) as ingest:
        await ingest.until_healthy()
        with Verify(redis_url, ingest.url, "--count", "120", "--rate", "20", "--wait", "3") as verify:
            name = await run_name(client)
            await paused_with(client, name, 3)
            await client.execute_command("UNLINK", KEYS.stream(name))
            await client.execute_command("HDEL", KEYS.paused, f"{name}|*")
            code, report = await verify.done()
    assert code == 1
    assert report["missing"] >= 3
    assert any("vanished" in hint for hint in report["hints"])
    assert await remaining_keys(client) == []


async def test_an_ingest_that_uses_another_redis_refuses_the_first_event_and_stores_none(redis_url, client, server):
    other_client = connect(other_database(server), "tests")
    await redis_server.inspect(other_client.execute_command, 1)
    with Ingest(redis_url) as ingest:
        await ingest.until_healthy()
        with Verify(other_database(server), ingest.url, "--count", "500", "--wait", "60") as verify:
            await until(lambda: verify.process.poll() is not None)
            assert await verify.end() == 1
    [line] = verify.raw
    assert "403 type_not_allowed" in line
    assert "another Redis or database; compare redis_url" in line
    assert [await remaining_keys(each) for each in (client, other_client)] == [[], []]
    await other_client.aclose()


@pytest.mark.parametrize(
    ("url", "environ", "message"),
    [
        (
            "{url}",
            {"OPENAI_WEBHOOK_SECRET": OTHER_SECRET},
            "401 signature_mismatch: the secret is not one of that source",
        ),
        ("{url}/nowhere", {}, "404 unknown_endpoint: ingest has no source with this path"),
        ("http://127.0.0.1:1/", {}, "http://127.0.0.1:1/: Connection refused"),
        ("https{url}", {}, "SSL"),
    ],
)
async def test_the_refusal_of_the_first_event_is_reported_and_no_data_is_left(redis_url, client, url, environ, message):
    with Ingest(redis_url) as ingest:
        await ingest.until_healthy()
        url_of_run = url.format(url=ingest.url).replace("httpshttp", "https")
        with Verify(redis_url, url_of_run, "--patience", "600", **environ) as verify:
            await until(lambda: verify.process.poll() is not None, what="it retried a refusal that is not transient")
            assert await verify.end() == 1
    [line] = verify.raw
    assert line.startswith(f"hookbus-worker: {url_of_run}: ")
    assert message in line
    assert await remaining_keys(client) == []


async def test_an_unreachable_or_unused_redis_is_reported(redis_url, client):
    for url, message in (
        (f"redis://127.0.0.1:{free_port()}/0", "Redis: "),
        (redis_url, "hookbus never used this Redis"),
    ):
        with Verify(url, "http://127.0.0.1:1/") as verify:
            await until(lambda verify=verify: verify.process.poll() is not None)
            assert await verify.end() == 1
        [line] = verify.raw
        assert message in line
    assert await client.execute_command("KEYS", "*") == []


async def test_the_groups_of_the_deployment_receive_none_of_its_events(redis_url, client, server):
    with Ingest(redis_url) as ingest, Worker(redis_url, "plain") as worker:
        await ingest.until_healthy()
        await worker.until_working()
        with Verify(redis_url, ingest.url, "--count", "100", "--rate", "30") as verify:
            code, report = await verify.done()
        assert (code, report["handled"]) == (0, 100)
        assert records_of(server)("plain") == []
        assert not [name for name in await remaining_keys(client) if "hookbus.verify" in name]
        with Program("hookbus-worker", "status", "--json", redis_url=redis_url) as status:
            await until(lambda: status.lines)
        assert list(status.lines[0]["groups"]) == ["plain"]
        assert "hookbus.verify" not in str(status.lines[0])


async def test_its_worker_trims_no_history_whatever_its_own_settings(client):
    """The workers of the deployment are configured with the retention; the machine that verifies may not be."""
    await join(client)
    for i in range(3):
        await store(client, f"wh_{i}", entry_id=f"{1000 + i}-0")
    await client.execute_command("XACK", STREAM, GROUP, *(in_flight.entry_id for in_flight in await take(client, "me")))
    await store(client, "wh_orphan", event_type="odd.type", entry_id="1000-0")
    settings = WorkerSettings(retention_s=1, retention_events=1, orphan_retention_s=1)
    plan = Plan(Destination("http://127.0.0.1:1/", b"key"), 1, 0, 1, 0)
    verification = Verification(client, (KEYS,), settings, plan, "hookbus.verify.1750000000-abcdefabcdef")
    assert await Trimmer(client, KEYS, CHORES, asyncio.Event(), verification._worker_settings()).trim() == 0
    assert await Trimmer(client, KEYS, CHORES, asyncio.Event(), settings).trim() == 3


@pytest.mark.parametrize("option", [("--rate", "nan"), ("--wait", "nan"), ("--count", "0"), ("--source", "nobody")])
async def test_bad_usage_exits_with_2(redis_url, option):
    with Verify(redis_url, "", *option) as verify:
        await until(lambda: verify.process.poll() is not None)
        assert await verify.end() == 2
    assert any("Usage" in line for line in verify.raw)


async def test_people_get_a_table_and_a_verdict(redis_url, client):
    with Ingest(redis_url) as ingest:
        await ingest.until_healthy()
        command = ("verify", "--url", ingest.url, "--secret", SECRET, "--count", "20", "--rate", "0")
        with Program("hookbus-worker", *command, redis_url=redis_url) as verify:
            await until(lambda: verify.process.poll() is not None)
            assert await verify.end() == 0
    assert verify.raw[0].startswith(f"20 events to {ingest.url} in ")
    rows = [line.split() for line in verify.raw]
    assert ["20", "accepted"] in rows
    assert ["20", "handled"] in rows
    assert verify.raw[-1] == "nothing is missing"
    assert SECRET not in "\n".join(verify.raw)
