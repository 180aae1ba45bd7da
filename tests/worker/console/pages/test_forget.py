"""Groups and types that an operator forgets: what was planned and what has arrived since, or nothing."""

import html
import re

import pytest

from hookbus.shared.keys import HOME
from tests.worker.builders import GROUP, KEYS, TYPE, store
from tests.worker.console.pages.test_plan import ended, form_of, post
from tests.worker.console.serving import read, serving
from tests.worker.console.test_app import dumps
from tests.worker.dead_letters import create_groups, letter, store_letters
from tests.worker.groups.test_forget import everything, traces
from tests.worker.groups.test_forget_type import GONE, add_live_consumer, dropped, of_type

FORGET = {"verb": "forget", "group": GROUP}
OPERATOR = {"console_role": "operator"}


@pytest.fixture
def as_console(redis_url) -> str:
    """The URL for the user that an operator's console has."""
    return redis_url.replace("unix://", "unix://console:console@")


async def test_a_group_is_forgotten_with_all_it_has_and_its_page_says_who_did_it(client, as_console):
    await everything(client)
    async with serving(as_console, **OPERATOR) as session:
        assert '<option value="">the whole group</option>' in (await read(session, f"/groups/{GROUP}"))[1]
        status, page = await post(session, "/plan", **FORGET)
        assert (status, "<h1>Forget billing, with 11 deliveries and dead letters</h1>" in page) == (200, True)
        assert re.search(r"<b>11</b>.*response.completed: .*4 backlog, 4 delayed, 3 dead", page)
        assert "<code>hookbus-worker forget billing</code>" in page
        assert 'name="rate"' not in page
        assert await client.execute_command("EXISTS", HOME.audit) == 0
        await store(client, "wh_new")
        _, place = await post(session, "/run", **form_of(page), why="<b>INC-7")
        done = await ended(client, place)
        assert f'<a href="/groups/{GROUP}">' in (await read(session, place))[1]
        status, page = await read(session, f"/groups/{GROUP}")
        assert status == 404, "no figures from before it"
        assert re.search(r"<b>Forgotten</b> by console@\S+ at [^<]+ UTC: &lt;b&gt;INC-7, with 12 ", page)
        status, page = await post(session, "/plan", **FORGET)
        assert (status, "Nothing was changed: no group billing" in page) == (404, True)
    assert (done.verb, done.via, done.matching, done.moved, done.result) == ("forget", "console", 12, 12, "done")
    assert done.criteria == {"group": [GROUP]}
    assert await traces(client) == []
    assert await client.execute_command("ACL", "LOG") == []


async def test_the_overview_offers_operators_to_forget_an_abandoned_group(client, as_console):
    await everything(client)
    await client.execute_command("HSET", KEYS.worked, GROUP, 1)
    offer = f'<input type="hidden" name="group" value="{GROUP}"><button class="btn small" name="verb" value="forget">'
    for settings in (OPERATOR, {}):
        async with serving(as_console, **settings) as session:
            _, page = await read(session, "/")
            assert f"{GROUP}: abandoned for" in page
            assert (offer in page) == bool(settings), settings


async def test_a_type_is_forgotten_beside_a_worker_that_does_not_read_it(client, as_console):
    await dropped(client)
    async with serving(as_console, **OPERATOR) as session:
        _, page = await read(session, f"/groups/{GROUP}?type={GONE}")
        options = re.findall(r'<option value="([^"]*)"', page.partition('aria-label="Forget"')[2])
        assert options[0] == ""
        assert GONE in options
        assert TYPE not in options
        _, page = await post(session, "/plan", **FORGET, type=GONE)
        assert f"<code>hookbus-worker forget billing --type {GONE}</code>" in page
        _, place = await post(session, "/run", **form_of(page))
        done = await ended(client, place)
        status, page = await post(session, "/plan", **FORGET, type=TYPE)
        assert (status, f"group billing subscribes to {TYPE}" in page) == (409, True)
        assert (await post(session, "/plan", **FORGET, type="batch.*"))[0] == 400
        assert (await post(session, "/run", **FORGET, counted="99", received="x"))[0] == 400
        assert (await read(session, f"/groups/{GROUP}"))[0] == 200
    assert (done.matching, done.moved, done.criteria) == (6, 6, {"group": [GROUP], "type": [GONE]})
    assert await of_type(client) == []
    assert await client.execute_command("ACL", "LOG") == []


async def test_nothing_is_forgotten_beside_a_live_worker_or_when_more_is_dead_than_was_planned(client, as_console):
    await create_groups(client, GROUP)
    await store_letters(client, letter("wh_1"))
    async with serving(as_console, **OPERATOR) as session:
        _, page = await post(session, "/plan", **FORGET)
        await store_letters(client, letter("wh_2"))
        status, refused = await post(session, "/run", **form_of(page))
        told = "Nothing was changed: billing has 2 in flight, delayed and dead, and had 1 when it was counted"
        assert (status, told in refused.replace("nothing was forgotten: ", "")) == (409, True)
        _, page = await post(session, "/plan", **FORGET)
        await add_live_consumer(client, "web-1", TYPE)
        before = await dumps(client)
        for path in ("/run", "/plan"):
            status, refused = await post(session, path, **form_of(page))
            assert (status, "group billing has live consumers: web-1; stop them first" in refused) == (409, True)
    assert await dumps(client) == before


async def test_a_foreign_consumer_group_that_reads_our_events_is_not_forgotten(client, as_console):
    await store(client, "wh_1")
    await client.execute_command("XGROUP", "CREATE", KEYS.stream(TYPE), "theirs", "0")
    await client.execute_command("XREADGROUP", "GROUP", "theirs", "reader-1", "STREAMS", KEYS.stream(TYPE), ">")
    async with serving(as_console, **OPERATOR) as session:
        status, page = await post(session, "/plan", verb="forget", group="theirs")
    assert (status, "group theirs has live consumers: reader-1" in page) == (409, True)


async def test_the_number_of_a_large_group_is_typed_and_what_holds_nothing_can_be_forgotten(client, as_console):
    await create_groups(client, GROUP)
    async with serving(as_console, **OPERATOR) as session:
        await store_letters(client, *(letter(f"wh_{i}") for i in range(101)))
        _, page = await post(session, "/plan", **FORGET)
        assert "Type 101 to confirm" in page
        assert "<dt>received</dt>" not in page
        for typed in ("", "100"):
            status, refused = await post(session, "/run", **form_of(page), typed=typed)
            assert (status, "type 101 to confirm" in refused) == (409, True)
        await client.execute_command("SET", HOME.audit, "of another type")
        status, refused = await post(session, "/run", **form_of(page), typed="101")
        assert (status, "be recorded" in html.unescape(refused)) == (409, True)
        await client.execute_command("DEL", HOME.audit)
        assert await client.execute_command("ZCARD", KEYS.dead(GROUP)) == 101
        _, place = await post(session, "/run", **form_of(page), typed="101")
        assert (await ended(client, place)).moved == 101
        await create_groups(client, GROUP)
        _, page = await post(session, "/plan", **FORGET)
        assert "It holds nothing." in page
        _, place = await post(session, "/run", **form_of(page))
        assert (await ended(client, place)).moved == 0
    assert await traces(client) == []


async def test_a_viewer_forgets_nothing_and_sees_no_form(client, redis_url):
    await create_groups(client, GROUP)
    async with serving(redis_url) as session:
        assert 'value="forget"' not in (await read(session, f"/groups/{GROUP}"))[1]
        for path in ("/plan", "/run"):
            assert (await post(session, path, **FORGET, counted="0"))[0] == 403
    assert await traces(client)
