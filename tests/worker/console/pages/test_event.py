"""The page of an event beside its states: where it is stored, and its body for who may see it."""

import html
import json
import re

import pytest

from hookbus.worker.console.pages import event
from hookbus.worker.find.life import InGroup, NotSubscribed
from tests.worker.builders import GROUP, KEYS, TYPE, store
from tests.worker.console.serving import read, serving
from tests.worker.dead_letters import create_groups

ELSEWHERE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.fixture
async def bus(client, redis_url):
    await create_groups(client, GROUP)
    [entry_id] = await store(client, "wh_1", note="<b>kept</b>", order="ord_1")
    return redis_url, entry_id.decode()


async def test_it_says_where_it_is_stored_and_shows_its_body_by_values_and_raw_and_as_it_was_signed(client, bus):
    redis_url, entry_id = bus
    [(_, fields)] = await client.execute_command("XRANGE", KEYS.stream(TYPE), "-", "+")
    async with serving(redis_url) as session:
        status, page = await read(session, "/event?id=ord_1")
        assert status == 200
        assert f"in {KEYS.stream(TYPE)}, entry {entry_id}" in page
        assert '<span class="s">&#34;&lt;b&gt;kept&lt;/b&gt;&#34;</span>' in page
        [raw] = re.findall(r'href="([^"]+)">Raw<', page)
        _, page = await read(session, html.unescape(raw))
        shown = page.partition('<pre class="lines"')[2].partition(">")[2].partition("</pre>")[0]
        assert json.loads(html.unescape(re.sub("<[^>]+>", "", shown))) == json.loads(fields[7])
        [download] = re.findall(r'href="([^"]+)">Download ↓<', page)
        async with session.get(html.unescape(download), headers={"Sec-Fetch-Site": "none"}) as response:
            assert (response.content_type, await response.read()) == ("application/octet-stream", fields[7])
        for path, headers, expected in (
            (html.unescape(download), ELSEWHERE, 403),
            ("/event/body?id=wh_1&source=other", {}, 404),
            ("/event/body?id=gone&source=openai", {}, 404),
            ("/event/body", {}, 404),
        ):
            assert (await read(session, path, **headers))[0] == expected, path


async def test_bodies_that_are_not_for_everybody_are_not_shown(bus):
    async with serving(bus[0], console_bodies="operator") as session:
        _, page = await read(session, "/event?id=wh_1&body=raw")
        assert "&lt;b&gt;kept" not in page
        assert "not shown to everybody here" in page
        assert (await read(session, "/event/body?id=wh_1&source=openai"))[0] == 403
    async with serving(bus[0], console_bodies="operator", console_role="operator") as session:
        assert "&lt;b&gt;kept" in (await read(session, "/event?id=wh_1&body=raw"))[1]


async def test_an_event_of_which_nothing_is_left_has_no_body_and_many_events_show_none(client, bus):
    await store(client, *(f"wh_{i}" for i in range(2, 5)), order="ord_1")
    async with serving(bus[0]) as session:
        _, page = await read(session, "/event?id=ord_1")
        assert page.count('aria-label="Event"') == 4 > event.MAX_BODIES
        assert 'aria-label="Body"' not in page


def test_what_was_not_looked_through_in_a_group_is_said():
    rows = event.groups_of({GROUP: InGroup((NotSubscribed(),), left_out=1200)}, 0)
    assert [(sign, text) for _, sign, _, text, _ in rows] == [
        ("·", "not subscribed"),
        ("?", "1,200 of its retries, redeliveries and dead letters not looked through"),
    ]


async def test_the_command_to_look_further_can_be_pasted(bus):
    async with serving(bus[0]) as session:
        _, page = await read(session, "/event?id=it%27s%1b")
    assert r"hookbus-worker find $'it\'s\x1b' --all" in html.unescape(page)
