"""What the overview and the page of a group tell beyond counts: work, what runs, settings, and what is not known."""

import re

import pytest

from hookbus.shared import scripts
from hookbus.shared.keys import HOME
from hookbus.worker import audit
from hookbus.worker.audit import Action
from hookbus.worker.inventory import registry, running, statistics, suspensions
from hookbus.worker.inventory.readers import Options, register
from hookbus.worker.inventory.running import Running, RunningDelivery
from hookbus.worker.inventory.statistics import Figures
from hookbus.worker.inventory.suspensions import Held, Opened
from tests.worker.builders import GROUP, KEYS, TYPE, join, store
from tests.worker.console.serving import read, serving
from tests.worker.dead_letters import letter, store_letters, subscribe
from tests.worker.parked import park

CONSUMER = "host-a.7.ab"
OPTIONS = Options(7, 30.0, None, 20, 5.0, 2.0, 3600.0, 259_200.0)
FAILED_TYPE = "response.failed"


@pytest.fixture
async def bus(client, redis_url):
    """A group at work: a live consumer with a running delivery, retries, an open breaker, and figures."""
    await subscribe(client, TYPE)
    await join(client)
    await store(client, "wh_1")
    now_ms = await registry.now_ms(client)
    await client.execute_command("HSET", KEYS.consumers(GROUP), CONSUMER, register(1, [TYPE], "", options=[OPTIONS]))
    await client.execute_command("SET", KEYS.alive(CONSUMER), 1, "PX", 60_000)
    runs = RunningDelivery(GROUP, TYPE, TYPE, "wh_slow", now_ms - 90_000, 3)
    await client.execute_command("SET", HOME.running(CONSUMER), running.encode(Running(now_ms, longest=(runs,))))
    done = Figures(handled=600, parked=60, latencies=(0, 600, 60, 0, 0, 0, 0, 0))
    await scripts.run(client, statistics.add({GROUP: done}, now_ms - 60_000))
    opened = Opened("f", "ConnectionError: the desk is closed", now_ms - 360_000, now_ms + 125_000)
    await client.execute_command("HSET", suspensions.KEY, suspensions.field(GROUP, TYPE), suspensions.encode(opened))
    await park(client, "wh_later", due_ms=now_ms + 600_000)
    await store_letters(client, letter("wh_dead", type=FAILED_TYPE))
    await audit.begin(client, Action(verb="pause", who="ann@host", why="INC-7"))
    await client.execute_command("XADD", HOME.rejections, "*", "rejection", "{}")
    return redis_url


async def test_the_overview_tells_what_groups_did_what_runs_and_who_did_what(bus):
    async with serving(bus, console_name="production") as session:
        _, page = await read(session, "/")
    assert "<dt>Handled</dt><dd>–" not in page
    assert "<dt>p50 · p99 of attempts</dt><dd>≤ 25 ms <small>· ≤ 100 ms</small>" in page
    assert re.search(
        r'<td class="num wide dim nowrap">[\d.]+ /s</td><td [^>]*>≤ 25 ms</td><td [^>]*>≤ 100 ms</td>', page
    )
    assert 'action="/plan"' not in page
    for text in (
        "wh_slow",
        "1 m 30 s",
        CONSUMER,
        "INC-7",
        "ann@host",
        '<span class="env" title="production">production</span>',
    ):
        assert text in page, text
    assert f"{GROUP}: breaker of {TYPE} open for 6m, tries in 2m (f: ConnectionError: the desk is closed)" in page
    assert ", 1 to be retried" in page
    assert (
        page.count('title="An upper bound: attempts are counted by steps of duration, which end at 5 ms, 25 ms,') == 3
    )
    counts = dict(re.findall(r'>([A-Z][a-z ]+)<span class="count [a-z]*">(\d+)', page))
    assert counts == {
        "Dead letters": "1",
        "Retries": "1",
        "Processes": "1",
        "Rejected": "1",
        "Health": counts["Health"],
    }
    assert "HookbusBreakerOpen" in page


async def test_an_operator_counts_a_redrive_of_a_cause_from_the_overview(bus):
    async with serving(bus, console_role="operator") as session:
        _, page = await read(session, "/")
    assert re.search(r'action="/plan"><input [^>]*name="group" value="billing">', page)


async def test_of_many_troubles_of_a_group_some_are_told_and_the_others_counted(client, bus):
    for i in range(9):
        held = suspensions.encode(Held("quota", 1, 2**42))
        await client.execute_command("HSET", suspensions.KEY, suspensions.field(GROUP, f"a{i}"), held)
    async with serving(bus) as session:
        _, page = await read(session, "/")
    needs = page.partition("Groups × event types")[0]
    told = needs.count("<br>also: ")
    more = re.search(r"<br>and (\d+) more", needs)
    assert (told, more is not None and int(more[1]) + told >= 9) == (3, True)


async def test_troubles_lead_to_the_runbook_where_one_is_configured(bus):
    async with serving(bus, console_runbook="https://runbook.example/R.md") as session:
        _, page = await read(session, "/")
    assert 'href="https://runbook.example/R.md#hookbusbreakeropen"' in page


async def test_a_group_shows_its_settings_consumers_retries_and_one_type_of_it(bus):
    async with serving(bus) as session:
        _, page = await read(session, f"/groups/{GROUP}")
        for text in (
            CONSUMER,
            "✓ alive",
            '<td class="num">7</td><td class="num">30 s</td>',
            "wh_later",
            "no such customer",
        ):
            assert text in page, text
        _, page = await read(session, f"/groups/{GROUP}?type={FAILED_TYPE}")
        assert "1 in 1 cause" in page
        assert "wh_later" not in page
        assert "Nothing of this type is stored." in page


async def test_nothing_is_changed_while_dead_letters_are_not_known(client, bus):
    await client.execute_command("SET", KEYS.dead_fingerprints(GROUP), "of another type")
    async with serving(bus, console_role="operator") as session:
        headers = {"Sec-Fetch-Site": "same-origin"}
        async with session.post("/plan", data={"verb": "redrive"}, headers=headers) as response:
            assert response.status == 503
            assert "this console does not know dead letters by cause: WRONGTYPE" in await response.text()


async def test_what_redis_refuses_is_named_and_the_rest_is_shown(client, bus):
    await client.execute_command("SET", HOME.audit, "of another type")
    await client.execute_command("SET", KEYS.dead_fingerprints(GROUP), "of another type")
    async with serving(bus) as session:
        _, page = await read(session, "/")
    assert "Not known: dead letters by cause (WRONGTYPE" in page
    assert "the last actions (WRONGTYPE" in page
    assert "No dead letters." not in page
    assert "wh_slow" in page
