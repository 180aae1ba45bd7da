import json

import pytest

from hookbus.shared import keys
from hookbus.worker import check
from hookbus.worker.api.app import App
from hookbus.worker.check import of_app, of_group, of_orphans
from hookbus.worker.inspect.group_status import GroupStatus, TypeStatus
from hookbus.worker.inspect.status import Status
from hookbus.worker.inventory.pauses import Paused
from hookbus.worker.inventory.suspensions import Held, Opened
from hookbus.worker.pipeline.routes import build
from hookbus.worker.settings import WorkerSettings
from tests.worker.builders import GROUP, KEYS, TYPE, a_membership, store
from tests.worker.commands import worker
from tests.worker.dead_letters import create_groups, letter, store_letters
from tests.worker.inspect.test_bus_metrics import a_bus

WAITING = {TYPE: TypeStatus(backlog=5)}
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


@pytest.mark.parametrize(
    ("group", "code"),
    [
        (GroupStatus(consumers=1, consumers_alive=1, types=WAITING), ""),
        (GroupStatus(), ""),
        (GroupStatus(types=WAITING), "no_worker"),
        (GroupStatus(types=WAITING, abandoned_s=400.0), "group_abandoned"),
        (GroupStatus(consumers=3, consumers_alive=1), "dead_consumers"),
        (GroupStatus(consumers=1, consumers_alive=1, missing=2), "group_missing"),
        (GroupStatus(breakers={TYPE: Opened("f", "e", 1, 2)}), "breaker_open"),
        (GroupStatus(held={TYPE: Held("Hold: for 5 s", 1, 2)}), "held"),
        (GroupStatus(paused={"*": Paused(1, "no credit")}), "paused"),
        (GroupStatus(dead=1), "dead_letters"),
        (GroupStatus(waiting_suspects={TYPE: 2}), "waiting_suspects"),
        (GroupStatus(losses=1), "data_loss"),
    ],
    ids=str,
)
def test_a_group_with_a_problem_has_one_finding_of_its_code(group, code):
    assert [found.code for found in of_group("billing", group)] == ([code] if code else [])
    assert all(found.exit_code == 0 for found in of_group("billing", group))


def test_orphans_are_reported_by_type():
    found = of_orphans(a_bus(status=Status(orphans={"odd.type": 3, "batch.failed": 1})))
    problems = [each.problem.partition(",")[0] for each in found]
    assert problems == ["3 events of type odd.type", "1 event of type batch.failed"]


@pytest.mark.parametrize(
    ("patterns", "code"),
    [
        ({}, "new_group"),
        ({"billing": frozenset({TYPE})}, ""),
        ({"billing": frozenset()}, ""),
        ({"billing": frozenset({TYPE, "batch.*"})}, "dropped_subscription"),
    ],
)
def test_an_app_is_compared_with_what_its_group_subscribes_to(patterns, code):
    app = App("billing")

    @app.on(TYPE)
    async def handle(event: dict) -> None: ...

    [group] = build([app], 30.0)
    assert [found.code for found in of_app(group, a_bus(patterns=patterns))] == ([code] if code else [])


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
    assert "warning dead_letters: 1 dead letter of billing\n  -> hookbus-worker dlq groups --group billing" in out


def test_types_without_a_reader_differing_consumers_and_foreign_groups_are_reported():
    group = GroupStatus(consumers_alive=2, consumers=2, unread={"batch.failed": 3}, disputed=["batch.*"])
    found = [(each.code, each.problem) for each in check.of_readers("billing", group)]
    assert found == [
        ("unread_type", "no live consumer of billing reads batch.failed: 3 events wait, and hold up trimming"),
        ("consumers_disagree", "only some consumers of billing subscribe to batch.*"),
    ]
    [nobody] = check.of_readers("billing", GroupStatus(unsubscribed={"batch.failed": 3}))
    assert (nobody.code, nobody.problem) == (
        "waits_for_nobody",
        "3 events of batch.failed wait in billing, which does not subscribe to it",
    )
    [foreign] = check.of_readers("audit", GroupStatus(is_foreign=True))
    assert foreign.code == "foreign_group"


async def test_g7_a_stream_whose_ids_are_used_up_and_a_key_of_another_type_are_named(client, redis_url):
    await create_groups(client, GROUP)
    await client.execute_command("SADD", KEYS.types, "a.full", TYPE)
    await client.execute_command("XADD", KEYS.stream("a.full"), f"{2**64 - 1}-{2**64 - 1}", "a", "b")
    for key in (KEYS.dead(GROUP), KEYS.redeliveries):
        await client.execute_command("SET", key, "a slip")
    findings = (await examined(redis_url)).findings
    named = {each.problem.split(": ")[0] for each in findings if each.code == "unusable_key"}
    assert named == {KEYS.dead(GROUP), KEYS.redeliveries, KEYS.stream("a.full")}
    assert not any("WRONGTYPE" in each.problem for each in findings if each.code != "unusable_key")
