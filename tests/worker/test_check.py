import json

from hookbus.shared import keys
from hookbus.worker import check
from hookbus.worker.settings import WorkerSettings
from tests.worker.builders import GROUP, KEYS, TYPE, a_membership, store
from tests.worker.commands import worker
from tests.worker.dead_letters import create_groups, letter, store_letters

APP = """
from hookbus import App
billing = App("billing")

@billing.on("response.completed")
async def record(event: dict) -> None: ...
"""


async def examined(redis_url: str, *targets: str) -> check.Report:
    report, _ = await check.examine(WorkerSettings(redis_url=redis_url), targets)
    assert all(found.problem and found.action for found in report.findings)
    assert report.is_healthy == (report.exit_code == 0)
    return report


async def codes(redis_url: str, *targets: str) -> dict[str, int]:
    return {found.code: found.exit_code for found in (await examined(redis_url, *targets)).findings}


async def test_a_healthy_bus_has_no_findings(client, redis_url):
    await client.execute_command("CONFIG", "SET", "maxmemory", "1gb")
    await client.execute_command("CONFIG", "SET", "appendonly", "yes")
    await a_membership(client, KEYS, GROUP, "earliest", [TYPE]).join([TYPE])
    await create_groups(client)
    await client.execute_command("HSET", KEYS.consumers(GROUP), "c", "{}")
    await client.execute_command("SET", KEYS.alive("c"), 1)
    await store(client, "wh_1")
    report = await examined(redis_url)
    assert report.findings == []
    (group,) = report.groups
    assert (group.name, group.patterns, group.backlog, group.consumers_alive) == (GROUP, [TYPE], 1, 1)
    assert report.headroom.events > 0


async def test_an_unused_redis_is_healthy_and_stays_unused(client, redis_url):
    report = await examined(redis_url)
    assert (report.is_healthy, report.is_unused, report.groups) == (True, True, [])
    assert await client.execute_command("DBSIZE") == 0


async def test_a_redis_of_another_layout_or_with_eviction_exits_with_78(client, redis_url):
    await client.execute_command("HSET", keys.META, "layout", keys.LAYOUT + 1, "shards", 1)
    assert (await codes(redis_url))["wrong_redis"] == 78
    await client.execute_command("HSET", keys.META, "layout", keys.LAYOUT)
    await client.execute_command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        assert (await codes(redis_url))["not_durable"] == 78
    finally:
        await client.execute_command("CONFIG", "SET", "maxmemory-policy", "noeviction")


async def test_a_redis_without_an_append_only_file_is_a_warning(client, redis_url):
    await client.execute_command("CONFIG", "SET", "appendonly", "no")
    try:
        assert (await codes(redis_url))["not_persistent"] == 0
    finally:
        await client.execute_command("CONFIG", "SET", "appendonly", "yes")


def test_the_command_prints_text_or_json_and_exits_with_the_most_severe_code(redis_url):
    found = worker(redis_url, "check")
    assert found.returncode == 0
    assert found.stdout.decode().endswith("\nhealthy: workers could run\n")
    report = json.loads(worker(redis_url, "check", "--json").stdout)
    assert (report["is_healthy"], report["apps"], report["groups"]) == (True, {}, [])
    found = worker("redis://127.0.0.1:1/0", "check")
    assert found.returncode == 1
    assert "ERROR queue_unavailable" in found.stdout.decode()
    found = worker(redis_url, "check", "no.such.module:app")
    assert found.returncode == 78
    assert "ERROR wrong_app: no.such.module:app: no module named 'no'" in found.stdout.decode()


async def test_an_app_that_could_run_is_shown_with_its_patterns(client, redis_url, tmp_path, monkeypatch):
    (tmp_path / "checked_app.py").write_text(APP)
    monkeypatch.syspath_prepend(tmp_path)
    report = await examined(redis_url, "checked_app:billing")
    assert report.apps == {"billing": [TYPE]}
    assert "new_group" in {found.code for found in report.findings}


async def test_dead_letters_of_a_group_are_reported_with_the_command_that_shows_them(client, redis_url):
    await create_groups(client, GROUP)
    await store_letters(client, letter("wh_1"))
    found = worker(redis_url, "check")
    assert found.returncode == 0
    out = found.stdout.decode()
    assert "warning dead_letters: billing: 1 dead letter\n" in out
    assert "hookbus-worker dlq groups --group billing\n  -> runbook: HookbusDeadLettersGrowing\n" in out


async def test_g7_a_stream_whose_ids_are_used_up_and_a_key_of_another_type_are_named(client, redis_url):
    await create_groups(client, GROUP)
    await client.execute_command("SADD", KEYS.types, "a.full", TYPE)
    await client.execute_command("XADD", KEYS.stream("a.full"), f"{2**64 - 1}-{2**64 - 1}", "a", "b")
    for key in (KEYS.dead(GROUP), KEYS.redeliveries):
        await client.execute_command("SET", key, "a slip")
    findings = (await examined(redis_url)).findings
    named = {
        each.problem.removeprefix("Redis refuses ").split(": ")[0] for each in findings if each.code == "unusable_key"
    }
    assert named == {KEYS.dead(GROUP), KEYS.redeliveries, KEYS.stream("a.full")}
    assert not any("WRONGTYPE" in each.problem for each in findings if each.code != "unusable_key")
