import pytest
from redis.exceptions import AskError, MovedError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from hookbus.shared.fault import Fault, UnhealthyError, fault_of, faults_of, judge
from hookbus.shared.server import Server

GOOD_INFO = {"role": "master", "loading": "0", "aof_last_write_status": "ok"}
GOOD_CONFIG = {
    "appendonly": "yes",
    "appendfsync": "always",
    "no-appendfsync-on-rewrite": "no",
    "maxmemory-policy": "noeviction",
}


def server(**changed: str) -> Server:
    """A healthy server with some values changed; configuration names have underscores instead of dashes."""
    info, config = dict(GOOD_INFO), dict(GOOD_CONFIG)
    for name, value in changed.items():
        table = config if name.replace("_", "-") in GOOD_CONFIG else info
        table[name.replace("_", "-") if table is config else name] = value
    return Server(info, config)


@pytest.mark.parametrize("durability", ["memory", "fsync"])
def test_a_good_server_is_healthy(durability):
    assert judge(server(), durability) is None


@pytest.mark.parametrize(
    ("changed", "code", "detail"),
    [
        ({"role": "slave"}, "queue_unavailable", "replica"),
        ({"loading": "1"}, "queue_unavailable", "loading"),
        ({"maxmemory_policy": "allkeys-lru"}, "not_durable", "maxmemory-policy is allkeys-lru"),
        ({"appendonly": "no"}, "not_durable", "appendonly yes; it is no"),
        ({"appendfsync": "everysec"}, "not_durable", "appendfsync always; it is everysec"),
        ({"aof_last_write_status": "err"}, "not_durable", "append-only file"),
        ({"no_appendfsync_on_rewrite": "yes"}, "not_durable", "no-appendfsync-on-rewrite no; it is yes"),
    ],
)
def test_each_setting_that_breaks_fsync_is_named(changed, code, detail):
    fault = judge(server(**changed), "fsync")
    assert fault is not None
    assert fault.code == code
    assert detail in fault.detail


def test_all_faults_of_a_server_are_reported_each_with_its_remedy():
    bad = server(role="slave", loading="1", maxmemory_policy="allkeys-lru", appendonly="no", appendfsync="no")
    faults = faults_of(bad, "fsync")
    assert judge(bad, "fsync") == faults[0]
    assert [fault.detail.split()[-1] for fault in faults] == ["replica", "data", "noeviction", "no", "no"]
    assert len({fault.cure for fault in faults}) == 5


@pytest.mark.parametrize("changed", [{"appendonly": "no"}, {"appendfsync": "no"}, {"aof_last_write_status": "err"}])
def test_durability_memory_needs_no_append_only_file(changed):
    assert judge(server(**changed), "memory") is None


def test_eviction_is_a_fault_at_any_durability():
    assert judge(server(maxmemory_policy="volatile-ttl"), "memory").code == "not_durable"


def test_where_config_is_refused_the_policy_comes_from_info_and_fsync_is_a_fault():
    managed = Server(GOOD_INFO | {"maxmemory_policy": "noeviction"}, {})
    assert judge(managed, "memory") is None
    assert "CONFIG is refused" in judge(managed, "fsync").detail


async def refusal(client, *command) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        await client.execute_command(*command)
    return caught.value


async def test_refusals_of_redis_become_error_codes(client):
    await client.execute_command("CONFIG", "SET", "maxmemory", "1")
    assert fault_of(await refusal(client, "SET", "k", "v")).code == "overloaded"
    await client.execute_command("CONFIG", "SET", "maxmemory", "0")
    await client.execute_command("CONFIG", "SET", "min-replicas-to-write", "1")
    try:
        assert fault_of(await refusal(client, "SET", "k", "v")).code == "not_durable"
    finally:
        await client.execute_command("CONFIG", "SET", "min-replicas-to-write", "0")
    assert fault_of(await refusal(client, "NOSUCH")).code == "queue_unavailable"


@pytest.mark.parametrize("error", [MovedError("13907 10.0.0.7:6379"), AskError("13907 10.0.0.7:6379")])
def test_a_redirect_of_a_cluster_node_is_a_fault_with_a_remedy(error):
    fault = fault_of(error)
    assert fault.code == "queue_unavailable"
    assert "a cluster node" in fault.detail
    assert "10.0.0.7:6379" in fault.detail
    assert "redis_url" in fault.cure


def test_other_errors_become_codes():
    assert fault_of(RedisConnectionError("gone")) == Fault("queue_unavailable", "gone")
    assert fault_of(TimeoutError()) == Fault("queue_unavailable", "TimeoutError")
    assert fault_of(ResponseError("strange")).code == "queue_unavailable"
    assert fault_of(UnhealthyError(Fault("overloaded", "x"))) == Fault("overloaded", "x")
