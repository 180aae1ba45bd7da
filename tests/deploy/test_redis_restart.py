"""Every accepted event survives a restart of Redis with the configuration and the users of `deploy/redis`."""

import asyncio
import shutil
import signal

import pytest

from hookbus.shared.valkey import Valkey
from tests import users
from tests.programs import ROOT, Ingest, Worker, event_body, post, post_until_accepted
from tests.wait import until

STREAM = "hookbus:{0}:stream:response.completed"
EVENTS = 20
STOPS = pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGKILL], ids=["restart", "kill"])
OPEN, SHUT = "user default off resetchannels ~* &* +@all", "user default off resetchannels -@all"
"""The rule as shipped, and an earlier one: with it Redis drops the writes of scripts while it loads its file."""


def test_the_pages_show_the_rule_of_the_default_user():
    for page in ("deploy/RUNBOOK.md", "deploy/redis/README.md"):
        assert OPEN in (ROOT / page).read_text()


@pytest.fixture
def shipped(tmp_path):
    server = users.as_shipped(tmp_path / "data").start()
    yield server
    server.close()


async def store(ingest: Ingest, first: int) -> list[str]:
    names = [f"wh_{number}" for number in range(first, first + EVENTS)]
    assert (
        await asyncio.gather(*(post(ingest.url, name, event_body()) for name in names)) == [(200, "accepted")] * EVENTS
    )
    return names


async def handled(worker: Worker, names: list[str]) -> None:
    def found() -> list[str]:
        return sorted(line["webhook_id"] for line in worker.logged("handled"))

    await until(lambda: len(found()) >= len(names), what="events that were handled")
    await worker.end()
    assert found() == sorted(names)


def stored(server: Valkey) -> int:
    with server.client() as client:
        return client.xlen(STREAM)


def fsyncing(server: Valkey) -> Ingest:
    return Ingest(server.url, HOOKBUS_INGEST_DURABILITY="fsync", HOOKBUS_INGEST_DRAIN_DELAY_S="0")


@STOPS
async def test_a_restart_loses_no_accepted_event_and_repeats_no_handled_one(shipped, stop):
    with fsyncing(shipped) as ingest:
        await ingest.until_healthy()
        first = await store(ingest, 0)
        with Worker(shipped.url, "quiet") as worker:
            await handled(worker, first)
        second = await store(ingest, EVENTS)
        shipped.stop(stop)
        shipped.start()
        assert stored(shipped) == 2 * EVENTS
        for name in (first[0], second[-1]):
            assert await post_until_accepted(ingest.url, name, event_body()) == "duplicate"
    with Worker(shipped.url, "quiet") as worker:
        await handled(worker, second)


@STOPS
async def test_events_hidden_by_an_acl_are_back_after_the_repair_in_the_runbook(shipped, stop, tmp_path):
    acl = tmp_path / "data/users/users.acl"
    assert acl.read_text().startswith(OPEN)
    acl.write_text(acl.read_text().replace(OPEN, SHUT))
    shipped.stop()
    shipped.start()
    with fsyncing(shipped) as ingest:
        await ingest.until_healthy()
        hidden = await store(ingest, 0)
        shipped.stop(stop)
        shipped.start()
        assert stored(shipped) in (0, EVENTS)  # Valkey 9.1.2 and later drop nothing
        await post_until_accepted(ingest.url, "wh_after", event_body())

        with shipped.client() as admin:
            admin.config_set("auto-aof-rewrite-percentage", "0")
        shutil.copytree(tmp_path / "data/appendonlydir", tmp_path / "copy")
        acl.write_text(acl.read_text().replace(SHUT, OPEN))
        shipped.stop()
        shipped.start()
        assert stored(shipped) == EVENTS + 1
    with Worker(shipped.url, "quiet") as worker:
        await handled(worker, [*hidden, "wh_after"])
