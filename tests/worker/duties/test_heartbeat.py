import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator

import pytest
import redis as sync_redis

from hookbus.shared import clock
from hookbus.shared.connection import connect_blocking
from hookbus.shared.health import LoopTick
from hookbus.shared.keys import Keys
from hookbus.worker.duties import heartbeat
from hookbus.worker.duties.heartbeat import TTL_S, Liveness
from hookbus.worker.inventory.expiries import KEPT_MS
from hookbus.worker.inventory.readers import register, registration
from tests.wait import until
from tests.worker.builders import KEYS, commandstats


@contextlib.contextmanager
def living(
    url: str,
    loop_age_s=lambda: 0.0,
    hard_limit_s: float = 40,
    shards=(KEYS,),
    *,
    consumer: str = "me",
    has_quarantine: bool = True,
) -> Iterator[Liveness]:
    liveness = Liveness(
        url,
        consumer,
        registrations={
            group: register(clock.now_ms(), patterns, "", has_quarantine=has_quarantine)
            for group, patterns in {"a": ["x.*"], "b": ["y"]}.items()
        },
        shards=shards,
        loop_age_s=loop_age_s,
        hard_limit_s=hard_limit_s,
    )
    liveness.start()
    try:
        yield liveness
    finally:
        liveness.stop()  # its thread would continue in the Redis of other tests


@pytest.fixture
def quick(monkeypatch):
    """Renews every 20 ms with a TTL of a second: other programs on the CPU may delay it by some tenths of a second."""
    monkeypatch.setattr(heartbeat, "INTERVAL_S", 0.02)
    monkeypatch.setattr(heartbeat, "TTL_S", 1.0)


@pytest.fixture
def blocking(redis_url):
    client = connect_blocking(redis_url, "tests", reply_timeout_s=5)
    yield client
    client.close()


@pytest.mark.parametrize("has_quarantine", [True, False])
def test_start_returns_after_the_first_liveness_key_in_every_shard_and_group(redis_url, blocking, has_quarantine):
    with living(redis_url, shards=(Keys(0), Keys(1)), has_quarantine=has_quarantine):
        for keys in (Keys(0), Keys(1)):
            assert 0 < blocking.pttl(keys.alive("me")) <= TTL_S * 1000
            for group in ("a", "b"):
                info = registration(blocking.hget(keys.consumers(group), "me"))
                assert info.has_quarantine is has_quarantine
                assert info.patterns == {"a": ("x.*",), "b": ("y",)}[group]
                assert abs(info.since_ms / 1000 - time.time()) < 10


def test_g7_an_unusable_hash_of_one_group_does_not_end_the_process(redis_url, blocking):
    blocking.set(KEYS.consumers("a"), "no hash")
    with living(redis_url, shards=(Keys(0), Keys(1))):
        assert blocking.exists(KEYS.alive("me"), Keys(1).alive("me")) == 2
        assert blocking.hkeys(KEYS.consumers("b")) == [b"me"]


def test_a_stop_removes_the_liveness_key(redis_url, blocking):
    with living(redis_url):
        assert blocking.exists(KEYS.alive("me"))
    assert not blocking.exists(KEYS.alive("me"))
    assert "liveness" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.usefixtures("quick")
async def test_the_key_is_renewed_by_a_thread_while_the_event_loop_is_blocked(redis_url, blocking):
    tick = LoopTick(asyncio.get_running_loop())
    with living(redis_url, tick.age_s):
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:  # blocks the loop on purpose
            assert blocking.exists(KEYS.alive("me"))
    tick.stop()


@pytest.mark.usefixtures("quick")
async def test_a_loop_blocked_beyond_the_hard_limit_is_not_renewed_until_it_runs_again(redis_url, client):
    age = [0.0]
    with living(redis_url, lambda: age[0], hard_limit_s=40):
        age[0] = 41
        await until(lambda: _is_gone(client))
        age[0] = 0
        await until(lambda: _is_there(client))


async def _is_there(client) -> bool:
    return await client.execute_command("EXISTS", KEYS.alive("me")) == 1


async def _is_gone(client) -> bool:
    return not await _is_there(client)


@pytest.mark.usefixtures("quick")
async def test_a_process_that_was_removed_by_mistake_registers_again(redis_url, client):
    with living(redis_url):
        await client.execute_command("DEL", KEYS.consumers("a"), KEYS.alive("me"))
        await until(lambda: client.execute_command("HEXISTS", KEYS.consumers("a"), "me"))
        await until(lambda: _is_there(client))


@pytest.mark.usefixtures("quick")
async def test_a_consumer_whose_registration_was_deleted_by_hand_registers_again(redis_url, client, monkeypatch):
    monkeypatch.setattr(heartbeat, "REGISTER_S", 0.1)
    with living(redis_url):
        await client.execute_command("DEL", KEYS.consumers("a"))
        await until(lambda: client.execute_command("HEXISTS", KEYS.consumers("a"), "me"))


@pytest.mark.usefixtures("quick")
async def test_g7_a_consumer_registers_as_soon_as_the_hash_of_its_group_is_usable(redis_url, client):
    await client.execute_command("SET", KEYS.consumers("a"), "no hash")
    with living(redis_url):
        await client.execute_command("DEL", KEYS.consumers("a"))
        await until(lambda: client.execute_command("HEXISTS", KEYS.consumers("a"), "me"))


def expiry_ms(blocking) -> float:
    return blocking.zscore(KEYS.expiries, "me")


def test_a_renewal_tells_when_the_liveness_key_expires_and_forgets_those_that_are_long_silent(redis_url, blocking):
    now_ms = clock.now_ms()
    blocking.zadd(KEYS.expiries, {"old": now_ms - KEPT_MS - 1, "dead": now_ms - KEPT_MS + 60_000})
    with living(redis_url) as liveness:
        first_ms = expiry_ms(blocking)
        assert abs(first_ms - clock.now_ms() - blocking.pttl(KEYS.alive("me"))) < 2_000
        time.sleep(0.002)
        liveness._renew()
        assert expiry_ms(blocking) > first_ms
        assert blocking.zrange(KEYS.expiries, 0, -1) == [b"dead", b"me"]


@pytest.mark.parametrize("full", [False, True])
def test_g4_a_stop_tells_that_the_liveness_key_is_gone(redis_url, blocking, full):
    with living(redis_url):
        if full:
            blocking.config_set("maxmemory", 1)
    assert expiry_ms(blocking) < (time.time() + 2) * 1000  # not when it would expire
    assert not blocking.exists(KEYS.alive("me"))


def test_g4_a_refused_hint_costs_no_consumer_its_liveness_key(redis_url, blocking):
    blocking.set(KEYS.expiries, "a slip")
    with living(redis_url):
        assert blocking.exists(KEYS.alive("me"))
        assert blocking.hkeys(KEYS.consumers("a")) == [b"me"]
    assert not blocking.exists(KEYS.alive("me"))


async def test_a_renewal_writes_no_registration_while_the_liveness_key_exists(redis_url, client):
    with living(redis_url) as liveness:
        liveness._renew()
        before = await commandstats(client)
        liveness._renew()
        assert (await commandstats(client))["hset"] == before["hset"] + 1
        assert await client.execute_command("HLEN", KEYS.worked) == 2


@pytest.mark.usefixtures("quick")
async def test_the_time_since_the_last_renewal_is_measured(own_server):
    liveness = Liveness(
        own_server.url,
        "me",
        registrations={"a": b"{}"},
        shards=[KEYS],
        loop_age_s=lambda: 0.0,
        hard_limit_s=40,
    )
    assert liveness.silent_s() == 0
    liveness.start()
    try:
        await asyncio.to_thread(own_server.stop)
        await until(lambda: liveness.silent_s() > 0.2)
        await asyncio.to_thread(own_server.start)
        await until(lambda: liveness.silent_s() < 0.2)
    finally:
        liveness.stop()


@pytest.mark.usefixtures("quick")
async def test_g4_liveness_keys_are_renewed_in_a_full_redis(redis_url, client):
    await client.execute_command("CONFIG", "SET", "maxmemory", 1)
    with living(redis_url):
        await client.execute_command("DEL", KEYS.alive("me"), KEYS.consumers("a"), KEYS.worked)
        await until(lambda: _is_there(client))
        assert await client.execute_command("HKEYS", KEYS.consumers("a")) == [b"me"]
        assert await client.execute_command("HKEYS", KEYS.worked) == [b"a", b"b"]


async def test_liveness_is_not_steady_for_a_ttl_after_the_start_of_the_server(own_server):
    with living(own_server.url) as liveness:
        assert not liveness.is_steady()


async def test_liveness_is_not_steady_right_after_a_reconnect(own_server, monkeypatch):
    monkeypatch.setattr(heartbeat, "INTERVAL_S", 0.02)
    monkeypatch.setattr(heartbeat, "TTL_S", 1.0)
    with living(own_server.url) as liveness:
        await until(liveness.is_steady)
        await asyncio.to_thread(own_server.stop)
        await until(lambda: not liveness.is_steady())
        await asyncio.to_thread(own_server.start)
        await until(lambda: liveness._steady_since is not None)
        assert not liveness.is_steady()
        await until(liveness.is_steady)


@pytest.mark.usefixtures("quick")
async def test_g4_liveness_is_not_steady_after_a_step_of_redis_clock_that_expired_all_keys(redis_url, monkeypatch):
    with living(redis_url) as liveness:
        await until(liveness.is_steady)
        monkeypatch.setattr(liveness._client, "time", lambda: (int(time.time()) + 3600, 0))
        await until(lambda: not liveness.is_steady())
        await until(liveness.is_steady)


@pytest.mark.usefixtures("quick")
async def test_liveness_is_steady_although_a_reply_of_redis_takes_long(redis_url, monkeypatch):
    with living(redis_url) as liveness:
        await until(liveness.is_steady)
        calls = []

        def answer_late() -> tuple[int, int]:
            calls.append(True)
            seconds = time.time() + len(calls) % 2
            return int(seconds), int(seconds % 1 * 1_000_000)

        monkeypatch.setattr(liveness._client, "time", answer_late)
        await until(lambda: len(calls) > 5)
        assert liveness.is_steady()


async def test_a_stop_ends_while_redis_is_unreachable(own_server):
    with living(own_server.url):
        await asyncio.to_thread(own_server.stop)


def test_without_redis_the_start_is_logged_as_waiting(own_server):
    own_server.stop()
    liveness = Liveness(
        own_server.url,
        "me",
        registrations={"a": b"{}"},
        shards=[KEYS],
        loop_age_s=lambda: 0.0,
        hard_limit_s=40,
    )
    with pytest.raises(sync_redis.ConnectionError):
        liveness.start()
    liveness.stop()


def test_a_death_is_detected_early_enough_for_g4():
    assert TTL_S + 1 + 2 < 15  # the TTL, one check a second, and the wait for other deliveries of a suspect's process


def test_the_process_follows_redis_clock_while_it_runs(redis_url, monkeypatch):
    hour_s = 3600
    wall_s = time.time()
    monkeypatch.setattr(time, "time_ns", lambda: int((wall_s + hour_s + 1) * 1e9))
    assert clock.now_ms() / 1000 - wall_s >= hour_s
    with living(redis_url):
        assert abs(clock.now_ms() / 1000 - time.time()) < 60
    assert clock.now_ms() / 1000 - wall_s >= hour_s
