import json

import pytest

from hookbus.ingest import check
from hookbus.shared import keys, redis_report
from hookbus.shared.secret import Secret
from hookbus.shared.sources import Source
from tests.ingest.serving import PATH, SECRET, command, settings


async def findings(redis_url, **options) -> dict[str, int]:
    """Code and exit code of each finding."""
    report, _ = await check.examine(settings(redis_url, **options))
    assert all(finding.problem and finding.action for finding in report.findings)
    assert report.is_healthy == (report.exit_code == 0)
    return {finding.code: finding.exit_code for finding in report.findings}


async def test_a_healthy_redis_gets_a_warning_at_most_and_is_not_changed(redis_url, client):
    report, _ = await check.examine(settings(redis_url))
    assert (report.is_healthy, report.exit_code) == (True, 0)
    assert [finding.code for finding in report.findings] == ["maxmemory_unlimited"]
    assert report.redis.role == "master"
    assert report.redis.eviction_policy == "noeviction"
    assert abs(report.redis.clock_skew_ms) < 1000
    assert report.is_unused
    assert await client.execute_command("DBSIZE") == 0


async def test_with_a_memory_limit_there_is_no_finding(client, redis_url):
    await client.execute_command("CONFIG", "SET", "maxmemory", "1gb")
    assert await findings(redis_url) == {}


async def test_a_redis_that_does_not_keep_the_durability_is_wrong(redis_url):
    assert (await findings(redis_url, durability="fsync"))["not_durable"] == 78
    assert (await findings(redis_url, durability="fsync", unsafe_redis=True))["not_durable"] == 0


async def test_eviction_is_wrong(client, redis_url):
    await client.execute_command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        assert (await findings(redis_url))["not_durable"] == 78
    finally:
        await client.execute_command("CONFIG", "SET", "maxmemory-policy", "noeviction")


async def test_another_shard_count_is_wrong(client, redis_url):
    await client.execute_command("HSET", keys.META, "layout", keys.LAYOUT, "shards", 4)
    assert await findings(redis_url) == {"wrong_redis": 78, "maxmemory_unlimited": 0}


async def test_no_source_is_wrong_and_redis_is_examined_nevertheless(redis_url):
    assert await findings(redis_url, sources={}) == {"no_source": 78, "maxmemory_unlimited": 0}


async def test_an_unreachable_redis_is_a_failure(unused_port):
    assert await findings(f"redis://127.0.0.1:{unused_port}/0") == {"queue_unavailable": 1}


async def test_a_full_redis_is_a_failure(client, redis_url):
    await client.execute_command("HSET", keys.META, "layout", keys.LAYOUT, "shards", 1)
    await client.execute_command("CONFIG", "SET", "maxmemory", "1")
    assert await findings(redis_url) == {"overloaded": 1}


async def test_an_unknown_redis_user_is_wrong(client, redis_url):
    assert await findings(redis_url.replace("unix://", "unix://who:hunter2@")) == {"access_refused": 78}


async def test_a_replica_is_wrong(own_server):
    with own_server.client() as replica:
        replica.execute_command("REPLICAOF", "127.0.0.1", "1")
    assert (await findings(own_server.url))["queue_unavailable"] == 78


async def test_a_clock_far_off_is_a_warning(redis_url, monkeypatch):
    now = redis_report.time.time
    monkeypatch.setattr(redis_report.time, "time", lambda: now() + 60)
    assert (await findings(redis_url))["clock_skew"] == 0


def test_the_text_report_shows_the_durability_and_no_secret(redis_url, capsys):
    sources = {"openai": Source(path=PATH, secrets=(Secret(SECRET), Secret(SECRET)))}
    assert check.run(settings(redis_url, sources=sources), as_json=False) == 0
    out = capsys.readouterr().out
    for text in (
        f"POST {PATH}",
        "2 secrets of 32, 32 bytes",
        "scheme openai",
        "96 h",
        "noeviction",
        "a 200 survives a crash of ingest",
        "healthy:",
    ):
        assert text in out
    assert SECRET not in out


def test_a_durability_that_redis_does_not_keep_is_highlighted(redis_url, capsys):
    assert check.run(settings(redis_url, durability="fsync"), as_json=False) == 78
    out = capsys.readouterr().out
    assert "NOT kept by this Redis" in out
    assert "ERROR not_durable: durability fsync needs appendfsync always; it is no" in out
    assert "-> set appendfsync always in Redis, or choose durability" in out
    assert out.endswith("unhealthy: ingest would not answer 200\n")


async def test_the_command_prints_json(own_server):
    environ = {"HOOKBUS_REDIS_URL": own_server.url, "OPENAI_WEBHOOK_SECRET": SECRET}
    code, out, err = await command("check", "--json", **environ)
    report = json.loads(out)
    assert (code, err) == (0, "")
    assert report["is_healthy"] is True
    signing = {"headers": "webhook", "secrets": 1, "public_keys": 0, "key_bytes": [32]}
    assert report["sources"] == [{"name": "openai", "path": PATH, "scheme": "openai", "prefix": ""} | signing]
    assert report["redis"]["appendfsync"] == "always"
    assert SECRET not in out


@pytest.mark.parametrize("environ", [{"HOOKBUS_SHARDS": "0"}, {"HOOKBUS_INGEST_NONSENSE": "1"}])
async def test_a_wrong_configuration_is_reported_before_anything_else(environ):
    code, out, err = await command("check", **environ)
    assert (code, out) == (78, "")
    assert err.startswith("hookbus-ingest: ")
