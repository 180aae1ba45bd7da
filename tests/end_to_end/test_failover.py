"""An address that moves to another server while the old primary stays up as its replica: both programs follow it."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from hookbus.shared.valkey import Valkey
from tests.end_to_end.conftest import records_of
from tests.moving import Moving, moving
from tests.programs import Ingest, Worker, event_body, post, post_until_accepted
from tests.wait import until


@pytest.fixture
async def servers(tmp_path):
    async with moving(tmp_path) as pair:
        yield pair


@contextlib.asynccontextmanager
async def both(servers: Moving, own_server: Valkey, app: str) -> AsyncIterator[tuple[Ingest, Worker]]:
    """Both programs, at work; the records of the handlers are apart, as these do not follow."""
    with Ingest(servers.url) as ingest, Worker(servers.url, app, TEST_REDIS_URL=own_server.url) as worker:
        await ingest.until_healthy()
        await worker.until_working()
        yield ingest, worker


async def test_g9_both_programs_follow_a_moved_primary_and_nothing_is_lost(servers: Moving, own_server: Valkey):
    recorded = records_of(own_server)
    async with both(servers, own_server, "plain") as (ingest, worker):
        await post_until_accepted(ingest.url, "wh_before", event_body())
        await until(lambda: recorded("plain") == ["wh_before"])
        await servers.move()
        await post_until_accepted(ingest.url, "wh_after", event_body())
        # An ack that did not reach the replica in time is lost, and its event is handled again.
        await until(lambda: set(recorded("plain")) == {"wh_before", "wh_after"})
        await until(lambda: not _pending(servers))
        assert await worker.end() == 0
        assert await ingest.end() == 0


async def test_g9_an_outcome_is_written_to_the_new_primary(servers: Moving, own_server: Valkey):
    recorded = records_of(own_server)
    async with both(servers, own_server, "slow") as (ingest, _):
        await post_until_accepted(ingest.url, "wh_1", event_body())
        await until(lambda: recorded("slow", "started") == ["wh_1"])
        await until(lambda: _pending(servers) == 1)  # a delivery that the replica has not seen is made again
        await servers.move()
        with own_server.client() as client:
            client.set("test:go", 1)
        await until(lambda: not _pending(servers))
        assert recorded("slow", "started") == ["wh_1"], "it ran once"


async def test_g9_ingest_checks_the_new_primary_although_no_request_arrives(servers: Moving):
    with Ingest(servers.url) as ingest:
        await ingest.until_healthy()
        await servers.move()
        await until(lambda: _has_been_checked(servers.second))
        await until(lambda: len(ingest.logged("redis_healthy")) == 1 + len(ingest.logged("redis_unhealthy")))
        assert (await post(ingest.url, "wh_1", event_body()))[0] == 200


def _has_been_checked(server: Valkey) -> bool:
    """Whether a script ran there: a replica only gets what scripts have written."""
    with server.client() as client:
        return "cmdstat_evalsha" in client.info("commandstats")


def _pending(servers: Moving) -> int:
    with servers.second.client() as client:
        streams = client.scan_iter("hookbus:{0}:stream:*")
        return sum(group["pending"] for key in streams for group in client.xinfo_groups(key))
