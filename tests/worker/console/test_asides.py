import pytest

from hookbus.shared.keys import HANDOVER, HOME
from hookbus.worker.console import asides, look
from hookbus.worker.console.asides import CAUSES
from hookbus.worker.console.work import Work
from hookbus.worker.dlq.causes import HOUR_MS
from hookbus.worker.inventory import running
from hookbus.worker.inventory.readers import Options, register
from hookbus.worker.inventory.running import Running, RunningDelivery
from tests.worker.builders import GROUP, KEYS, TYPE
from tests.worker.dead_letters import create_groups, letter, store_letters
from tests.worker.parked import park


async def beside(client):
    return (await look.fetch(client, 1, 1, Work())).beside


async def publish(client, consumer, *since_ms):
    await client.execute_command("HSET", KEYS.consumers(GROUP), consumer, "{}")
    longest = tuple(RunningDelivery(GROUP, TYPE, TYPE, f"wh_{ms}", ms, 1) for ms in since_ms)
    await client.execute_command("SET", HOME.running(consumer), running.encode(Running(1, longest=longest)))


async def test_what_runs_longest_comes_first_whichever_process_runs_it(client, monkeypatch):
    monkeypatch.setattr(asides, "LONGEST", 3)
    await create_groups(client, GROUP)
    await publish(client, "a.1.b", 10, 40)
    await publish(client, "b.2.c", 20, 30)
    await client.execute_command("HSET", KEYS.consumers(GROUP), HANDOVER, "{}")
    await client.execute_command("HSET", KEYS.consumers(GROUP), "c.3.d", "{}")
    found = (await beside(client)).running
    assert [(each.delivery.since_ms, each.consumer) for each in found] == [(10, "a.1.b"), (20, "b.2.c"), (30, "b.2.c")]


async def test_what_runs_has_the_timeout_that_its_process_publishes(client):
    await create_groups(client, GROUP)
    await publish(client, "a.1.b", 10)
    await publish(client, "b.2.c", 20)
    options = [Options(1, timeout_s, None, 20, 1, 2, 60, 60) for timeout_s in (5, 30)]
    info = register(1, ["*", TYPE], "", options=options)
    await client.execute_command("HSET", KEYS.consumers(GROUP), "a.1.b", info)
    assert [each.timeout_s for each in (await beside(client)).running] == [30, None]


async def test_the_deaths_of_the_last_hour_are_drawn_of_those_causes_alone_that_have_most_letters(client, monkeypatch):
    monkeypatch.setattr(asides, "DRAWN", 1)
    await create_groups(client, GROUP)
    seconds, _ = await client.execute_command("TIME")
    now_ms = int(seconds) * 1000
    died = (now_ms - 150_000, now_ms - 150_000, now_ms - HOUR_MS + 150_000, now_ms - 2 * HOUR_MS)
    letters = [letter(f"wh_{i}", dead_lettered_at_ms=at) for i, at in enumerate(died)]
    await store_letters(client, *letters, letter("wh_9", dead_lettered_at_ms=now_ms - 150_000, reason="rejected"))
    [(group, fingerprint)] = (found := await beside(client)).courses
    assert (group, fingerprint) == (found.causes[0].group, found.causes[0].fingerprint)
    assert [*found.courses[group, fingerprint]] == [1, *[0] * (asides.SPANS - 2), 2]


async def test_retries_are_counted_by_type_among_those_due_first(client, monkeypatch):
    monkeypatch.setattr(asides, "RETRIES", 3)
    await create_groups(client, GROUP, "audit")
    await park(client, "wh_1", "wh_2", due_ms=1)
    await park(client, "wh_3", "wh_4", event_type="batch.failed", due_ms=10)
    assert (await beside(client)).retries == {(GROUP, TYPE): 2, (GROUP, "batch.failed"): 1}


@pytest.mark.parametrize(
    ("key", "part"),
    [
        (KEYS.dead_fingerprints(GROUP), CAUSES),
        (HOME.audit, "the last actions"),
    ],
)
async def test_a_key_of_another_type_leaves_one_part_out_and_names_it(client, key, part):
    await create_groups(client, GROUP)
    await park(client, "wh_1", due_ms=1)
    await client.execute_command("SET", key, "text")
    found = await beside(client)
    assert list(found.unasked) == [part]
    assert "WRONGTYPE" in found.unasked[part]
    assert found.missing.startswith(CAUSES) == (part == CAUSES)
    assert found.retries


async def test_a_name_that_is_no_text_leaves_one_part_out(client):
    await create_groups(client, GROUP)
    await store_letters(client, letter("wh_1"))
    await client.execute_command("HSET", KEYS.dead_fingerprints(GROUP), b"\xff", "{}")
    assert "can't read" in (await beside(client)).unasked[CAUSES]


async def test_refused_requests_are_counted(client):
    await create_groups(client, GROUP)
    assert (await beside(client)).rejected == 0
    for _ in range(2):
        await client.execute_command("XADD", HOME.rejections, "*", "rejection", "{}")
    assert (await beside(client)).rejected == 2
