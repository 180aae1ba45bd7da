"""The record that an ingest process keeps of itself, and that nothing else depends on."""

import asyncio
import dataclasses
import time

import pytest
from structlog.testing import capture_logs

from hookbus.ingest import registration
from hookbus.ingest.registration import Registration, digest_of
from hookbus.shared import ingest_record, scripts
from hookbus.shared.connection import connect
from hookbus.shared.ingest_record import KEPT_S, IngestRecord
from hookbus.shared.keys import HOME
from hookbus.shared.release import VERSION
from hookbus.shared.secret import Secret
from hookbus.shared.sources import Source
from tests import users
from tests.ingest.serving import PATH, SECRET, serving, settings, signed
from tests.wait import until

NAME = "other.1.00000000"


async def records(client) -> dict[str, IngestRecord]:
    flat = await client.execute_command("HGETALL", HOME.ingests)
    return ingest_record.read({name.decode(): each for name, each in zip(flat[::2], flat[1::2], strict=True)})


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(registration, "INTERVAL_S", 0.05)
    monkeypatch.setattr(registration, "START_S", 0.05)


@dataclasses.dataclass
class Facts:
    """What a process knows of itself."""

    redis_url: str
    memory_used: float = 0.0
    is_healthy: bool = True

    def registration(self, client) -> Registration:
        was_healthy = asyncio.Event()
        if self.is_healthy:
            was_healthy.set()
        return Registration(
            client,
            settings=lambda: settings(self.redis_url),
            listen=lambda: ("127.0.0.1:1",),
            reason=str,
            memory_used=lambda: self.memory_used,
            was_healthy=was_healthy,
        )


@pytest.mark.usefixtures("quick")
async def test_a_process_is_registered_while_it_serves_and_not_any_more_after_its_stop(client, redis_url):
    url = users.login(redis_url, "hookbus-ingest", "serve")
    async with serving(url) as ingest:
        assert (await ingest.execute(signed()))[0] == 200

        async def is_complete() -> IngestRecord | None:
            [found] = (await records(client)).values() or [None]
            return found if found and found.answers and not found.reason else None

        found = await until(is_complete)
        assert found.listen == (f"127.0.0.1:{ingest.port}",)
        assert (found.version, found.sources, found.durability) == (VERSION, ("openai",), "memory")
        assert found.answers["accepted"] >= 1
        assert found.since_ms <= found.at_ms
        assert abs(found.at_ms / 1000 - time.time()) < 60
    assert await records(client) == {}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("kind", ["another type", "forbidden"])
async def test_a_refused_record_is_logged_once_and_changes_no_answer(client, redis_url, server, kind):
    url = users.login(redis_url, "hookbus-ingest", "serve")
    if kind == "another type":
        await client.execute_command("SET", HOME.ingests, "x")
    else:
        url = redis_url.replace("unix://", "unix://limited:limited@")
        rights = ("~*", "&*", "+@all", "-hset")
        await client.execute_command("ACL", "SETUSER", "limited", "on", ">limited", *rights)
    try:
        async with serving(url) as ingest:
            await until(lambda: ingest.logged("not_registered"))
            assert (await ingest.execute(signed()))[0] == 200
            async with ingest.session.get(f"{ingest.ops}/readyz") as response:
                assert response.status == 200
            await asyncio.sleep(0.3)  # some more refusals
            assert len(ingest.logged("not_registered")) == 1
    finally:
        await client.execute_command("ACL", "DELUSER", "limited")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("changes", [{"memory_used": 0.91}, {"is_healthy": False}])
async def test_nothing_is_written_to_a_nearly_full_redis_or_to_one_that_was_never_healthy(client, redis_url, changes):
    facts = Facts(redis_url, **changes)
    task = asyncio.create_task(facts.registration(client).run())
    await asyncio.sleep(0.2)
    assert await records(client) == {}
    facts.memory_used = 0.9
    if facts.is_healthy:
        await until(lambda: records(client))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.usefixtures("quick")
async def test_a_process_that_lives_stays_registered_in_a_full_redis_and_says_that_it_answers_503(client, redis_url):
    async with serving(users.login(redis_url, "hookbus-ingest", "serve")) as ingest:
        [name] = await until(lambda: records(client))
        await client.execute_command("CONFIG", "SET", "maxmemory", 1)

        async def is_told() -> IngestRecord | None:
            found = (await records(client))[name]
            return found if found.reason.startswith("answering 503 overloaded") else None

        told_ms = (await until(is_told)).at_ms

        async def is_renewed() -> bool:
            return (await records(client))[name].at_ms > told_ms

        await until(is_renewed)
        assert not ingest.logged("not_registered")


async def test_a_record_that_was_removed_meanwhile_is_not_replaced(client):
    call = scripts.Call(scripts.REPLACE, (HOME.ingests,), (NAME, b"new"))
    assert await scripts.run(client, call) == 0
    assert await client.execute_command("EXISTS", HOME.ingests) == 0


async def test_records_of_processes_that_were_killed_are_removed_after_an_hour(client, redis_url):
    old_ms = round((time.time() - KEPT_S) * 1000)
    for name, at_ms in {NAME: old_ms - 60_000, "young.1.00000000": old_ms + 60_000}.items():
        await client.execute_command("HSET", HOME.ingests, name, ingest_record.encode(IngestRecord(at_ms, 0)))
    task = asyncio.create_task(Facts(redis_url).registration(client).run())

    async def names() -> set[str]:
        return set(await records(client))

    async def is_swept() -> bool:
        found = await names()
        return len(found) == 2 and NAME not in found

    await until(is_swept)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await names() == {"young.1.00000000"}


async def test_a_lost_connection_is_left_to_the_health_checks(own_server):
    client = connect(own_server.url, "tests", connections=1)
    await asyncio.to_thread(own_server.stop)
    with capture_logs() as logs:
        await Facts(own_server.url).registration(client)._try_write()
    assert logs == []
    await client.aclose()


async def test_a_primary_that_became_a_replica_is_no_refusal(own_server):
    client = connect(own_server.url, "tests", connections=1)
    with own_server.client() as other:
        await asyncio.to_thread(other.execute_command, "REPLICAOF", "127.0.0.1", 1)
    with capture_logs() as logs:
        await Facts(own_server.url).registration(client)._try_write()
    assert logs == []
    await client.aclose()


def test_two_processes_with_the_same_shared_settings_have_one_digest(redis_url):
    ours = settings(redis_url)
    digest = digest_of(ours)
    same = settings("redis://other", log_level="debug", redis_ca_file="/x", ops_listen=ours.listen[0])
    assert digest_of(same) == digest
    rotated = {"openai": Source(path=PATH, secrets=(Secret("whsec_" + "b3RoZXIt" * 6),))}
    assert digest_of(settings(redis_url, sources=rotated)) == digest
    others = {"openai": Source(path="/other", secrets=(Secret(SECRET),))}
    for changes in ({"sources": others}, {"durability": "fsync"}, {"dedupe_window_h": 100}, {"shards": 2}):
        assert (digest_of(settings(redis_url, **changes)) == digest) is ("shards" in changes)


def test_no_secret_is_in_what_a_digest_is_made_of(redis_url, monkeypatch):
    seen = []
    encode = registration.msgspec.json.encode
    monkeypatch.setattr(registration.msgspec.json, "encode", lambda value: seen.append(encode(value)) or encode(value))
    digest_of(settings(redis_url))
    assert seen
    assert SECRET.encode() not in seen[0]
    assert b"redis" not in seen[0].replace(b"unsafe_redis", b"")
