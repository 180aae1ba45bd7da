"""When a takeover asks for the dead: a look tells it, and once a minute it asks all the same."""

import asyncio
import contextlib

import pytest

from hookbus.shared.clock import now_ms
from hookbus.worker.duties import same_host, takeover
from hookbus.worker.duties.adopt import adopt
from hookbus.worker.duties.heartbeat import TTL_S
from hookbus.worker.duties.look import QUIET_MS
from tests.wait import until
from tests.worker.builders import (
    GROUP,
    KEYS,
    Handler,
    commandstats,
    consumers,
    join,
    pending,
    register,
    release,
    store,
    take,
)
from tests.worker.claimant import Claimant, claimant
from tests.worker.takeovers import die_with


@pytest.fixture
def ended(monkeypatch) -> set[str]:
    """Consumers whose process ended on this machine."""
    found: set[str] = set()
    monkeypatch.setattr(same_host, "has_ended", found.__contains__)
    return found


@contextlib.asynccontextmanager
async def taking_over(redis_url, client, handler: Handler):
    """A worker whose takeover runs, and has nothing left to ask."""
    async with claimant(redis_url, client, handler) as worker:
        await worker.lookout.look()
        running = asyncio.create_task(worker.duty.run())
        await until(lambda: worker.duty._is_done)
        yield worker
        worker.stopping.set()
        worker.lookout._wake()
        await running


async def questions(client) -> int:
    return (await commandstats(client)).get("hkeys", 0)


async def asks(client, worker: Claimant) -> bool:
    """Whether the takeover asks after the next look."""
    before = await questions(client)
    await worker.lookout.look()
    for _ in range(5):
        await asyncio.sleep(0.01)
        if await questions(client) > before:
            return True
    return False


async def test_while_all_are_alive_nobody_is_asked_for(client, redis_url):
    await register(client, "alive", left_s=9)
    async with taking_over(redis_url, client, Handler()) as worker:
        assert not await asks(client, worker)
        assert not await asks(client, worker)


async def test_g4_the_next_look_tells_of_a_dead_consumer(client, redis_url):
    handler = Handler(is_open=True)
    async with taking_over(redis_url, client, handler) as worker:
        await die_with(client, "wh_1")
        await worker.lookout.look()
        await until(lambda: handler.done == ["wh_1"])
        await worker.lookout.look()
        await until(lambda: worker.duty._is_done)
        assert await consumers(client) == {b"me"}
        assert not await asks(client, worker)


async def test_g4_a_dead_consumer_without_a_hint_is_found_by_the_search_in_between(client, redis_url, monkeypatch):
    monkeypatch.setattr(takeover, "SEARCH_S", 0.3)
    handler = Handler(is_open=True)
    async with taking_over(redis_url, client, handler) as worker:
        await die_with(client, "wh_1")
        await client.delete(KEYS.expiries)
        await worker.lookout.look()
        await until(lambda: handler.done == ["wh_1"])


async def test_a_handover_is_asked_for_by_its_group_alone(client, redis_url):
    handler = Handler(is_open=True)
    async with taking_over(redis_url, client, handler) as worker:
        await client.execute_command("ZADD", KEYS.expiries, now_ms(), "phone|handover")
        assert not await asks(client, worker)
        await join(client)
        await store(client, "wh_1")
        await take(client, "leaving")
        await release(client, "leaving")
        await worker.lookout.look()
        await until(lambda: handler.done == ["wh_1"])


async def test_the_dead_are_asked_for_until_they_hold_nothing_however_long_no_place_is_free(client, redis_url):
    handler = Handler()
    async with claimant(redis_url, client, handler, concurrency=1) as worker:
        await die_with(client, "wh_1", "wh_2")
        await client.delete(KEYS.expiries)  # a search found it
        await worker.round()
        await until(lambda: handler.began)
        assert await pending(client, consumer="dead")
        worker.duty._wake.clear()
        await worker.lookout.look()
        assert worker.duty._wake.is_set()
        handler.go()
        await until(lambda: handler.done == ["wh_1"])
        await worker.round()
        await until(lambda: len(handler.done) == 2)


async def test_g4_a_liveness_key_that_expires_a_moment_after_the_hint_is_asked_for_again(client, redis_url):
    handler = Handler(is_open=True)
    async with taking_over(redis_url, client, handler) as worker:
        await die_with(client, "wh_1")
        await client.execute_command("SET", KEYS.alive("dead"), 1)
        assert await asks(client, worker)
        await client.delete(KEYS.alive("dead"))
        await worker.lookout.look()
        await until(lambda: handler.done == ["wh_1"])


async def test_g7_while_redis_refuses_the_hint_every_look_asks(client, redis_url):
    async with taking_over(redis_url, client, Handler()) as worker:
        await client.delete(KEYS.expiries)
        await client.set(KEYS.expiries, "a slip")
        assert await asks(client, worker)
        assert await asks(client, worker)


async def test_g7_while_redis_refuses_the_consumers_every_look_asks(client, redis_url):
    handler = Handler(is_open=True)
    async with taking_over(redis_url, client, handler) as worker:
        await client.delete(KEYS.consumers(GROUP))
        await client.set(KEYS.consumers(GROUP), "a slip")
        worker.duty._wake.set()
        assert await asks(client, worker)
        assert await asks(client, worker)


async def test_before_consumers_had_time_to_renew_their_keys_a_search_waits_for_that(client, redis_url):
    async with claimant(redis_url, client, Handler()) as worker:
        worker.liveness.steady = False
        running = asyncio.create_task(worker.duty.run())
        await until(lambda: worker.duty._is_done)
        await asyncio.sleep(0.1)
        assert await questions(client) <= 2
        worker.stopping.set()
        worker.lookout._wake()
        await running


async def test_every_takeover_learns_of_an_adopted_consumer(client, redis_url):
    async with taking_over(redis_url, client, Handler()) as worker, claimant(redis_url, client, Handler()) as other:
        await store(client, "wh_1")
        await take(client, "thawed")
        assert not await asks(client, worker)
        await adopt(other.duty._here, other.duty._reader)
        assert await asks(client, worker)


async def test_a_process_that_ended_on_this_machine_is_detected_before_its_liveness_key_expires(
    client, redis_url, ended
):
    handler = Handler(is_open=True)
    await die_with(client, "wh_1")
    ended.add("dead")
    for consumer in ("dead", "neighbour"):
        await register(client, consumer, left_s=QUIET_MS / 1000)
    async with claimant(redis_url, client, handler) as worker:
        worker.liveness.steady = False
        await worker.round()
        await until(lambda: handler.done == ["wh_1"])
        assert await consumers(client) == {b"me", b"neighbour"}


@pytest.mark.parametrize("left_s", [TTL_S, QUIET_MS / 1000 + 1, None])
async def test_g4_a_consumer_that_renews_its_key_keeps_its_deliveries(client, redis_url, ended, left_s):
    """The process seems to have ended, as on a clone of this machine: the liveness key decides."""
    handler = Handler(is_open=True)
    await die_with(client, "wh_1")
    await register(client, "dead", left_s=left_s)
    await client.execute_command("ZADD", KEYS.expiries, now_ms() + 1, "dead")  # the hint is late
    ended.add("dead")
    async with claimant(redis_url, client, handler) as worker:
        await worker.round()
        assert await pending(client, consumer="dead")
        assert await client.execute_command("EXISTS", KEYS.alive("dead"))
    assert handler.began == []
