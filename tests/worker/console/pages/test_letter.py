"""The page of a letter beside its cause: the same event in other groups, others of the same cause, and its bytes."""

import html
import json
import re

import pytest

from hookbus.worker.console.pages import export
from hookbus.worker.dlq import cursor
from hookbus.worker.inventory.readers import Options, register
from tests.worker.builders import GROUP, KEYS, TYPE
from tests.worker.console.pages.test_plan import form_of, post
from tests.worker.console.serving import read, serving
from tests.worker.console.two_groups import two_groups
from tests.worker.dead_letters import DEAD_MS, letter, store_letters

BODY = b'{"a": 1,"b":[]}'


@pytest.fixture
async def bus(client, redis_url):
    """Four letters of one cause, one of another; the event of one of them in its stream."""
    await two_groups(client)
    [(entry_id, _)] = await client.execute_command("XRANGE", KEYS.stream(TYPE), "-", "+")
    received_ms = int(entry_id.partition(b"-")[0])
    letters = [
        letter(f"wh_{i}", dead_lettered_at_ms=DEAD_MS + i, body=BODY, received_at_ms=received_ms) for i in range(4)
    ]
    await store_letters(client, *letters, letter("wh_9", error_class="KeyError", dead_lettered_at_ms=DEAD_MS + 2))
    return redis_url


async def test_a_letter_shows_its_event_in_all_groups_unless_a_page_of_others_led_here(bus):
    async with serving(bus) as session:
        _, page = await read(session, f"/dead/{GROUP}/wh_1")
        lives = page.partition("The event in all groups")[2].partition("</section>")[0]
        assert re.findall(r'href="/groups/(\w+)"', lives) == ["audit", GROUP, GROUP], "not reached, and dead"
        assert "this letter" in lives
        for path, headers in ((f"/dead/{GROUP}/wh_2", {}), (f"/dead/{GROUP}/wh_1", {"Sec-Fetch-Site": "cross-site"})):
            headers |= {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
            _, page = await read(session, path, **headers)
            assert "No longer in its stream about the time" in page
            assert ">search →" in page


async def test_letters_of_the_same_cause_are_next_and_before(bus):
    async with serving(bus) as session:
        seen, path = [], f"/dead/{GROUP}/wh_3"
        for rel in ("next", "next", "next", "prev", "prev", "prev"):
            _, page = await read(session, path)
            assert "4 letters" in page
            number = 4 - int(path[-1])
            assert f">{number} of 4<" in page
            assert ('rel="prev"' in page, 'rel="next"' in page) == (number > 1, number < 4)
            [path] = re.findall(rf'rel="{rel}" href="([^"]+)"', page)
            seen.append(path.rpartition("/")[2])
        assert seen == ["wh_2", "wh_1", "wh_0", "wh_1", "wh_2", "wh_3"]
        assert re.findall(r'name" href="/dead/billing/(\w+)"', (await read(session, path))[1]) == [
            "wh_2",
            "wh_1",
            "wh_0",
        ]


async def test_many_letters_of_one_millisecond_have_no_number(bus, monkeypatch):
    monkeypatch.setattr(cursor, "MAX_TIES", 0)
    async with serving(bus) as session:
        _, page = await read(session, f"/dead/{GROUP}/wh_1")
    assert ">one of 4<" in page


async def test_a_letter_tells_the_ids_in_its_body_and_how_live_workers_run_its_type(client, bus):
    ids = b'{"id": "evt_<7>", "data": {"id": "resp_7", "more": [1]}}'
    await store_letters(client, letter("wh_7", body=ids), letter("wh_8", body=b'{"id": 7, "data": "resp_8"}'))
    async with serving(bus) as session:
        _, page = await read(session, f"/dead/{GROUP}/wh_7")
        assert '<dt>event</dt><dd class="mono">evt_&lt;7&gt;</dd>' in page
        assert '<dt>object</dt><dd class="mono">resp_7</dd>' in page
        assert "no live worker tells its options" in page
        _, page = await read(session, f"/dead/{GROUP}/wh_8")
        assert "<dt>object</dt>" not in page
    options = Options(4, 30.0, None, 3, 0.5, 2.0, 300.0, 86_400.0)
    await client.execute_command("HSET", KEYS.consumers(GROUP), "a.1.ab", register(1, [TYPE], "", options=[options]))
    await client.execute_command("SET", KEYS.alive("a.1.ab"), 1, "PX", 60_000)
    async with serving(bus) as session:
        _, page = await read(session, f"/dead/{GROUP}/wh_7")
        assert "3 attempts, waits 0.5 s × 2 up to 5 m, timeout 30 s" in page


async def test_a_body_is_shown_by_its_values_or_as_it_came(bus):
    async with serving(bus) as session:
        for query, text in (
            ("", '<span class="k">&#34;a&#34;</span>: <span class="n">1</span>,'),
            ("?body=raw", "[]}"),
        ):
            _, page = await read(session, f"/dead/{GROUP}/wh_1{query}")
            shown = page.partition('aria-label="Body">')[2].partition("</pre>")[0]
            assert text in shown, shown


async def test_what_matches_is_downloaded_as_lines_or_not_at_all(bus, monkeypatch):
    async with serving(bus) as session:
        async with session.get(
            f"/export?fingerprint={letter().fingerprint}", headers={"Sec-Fetch-Site": "none"}
        ) as response:
            assert response.headers["Content-Disposition"] == 'attachment; filename="dead-letters.jsonl"'
            lines = [json.loads(line) for line in (await response.text()).splitlines()]
        assert [(line["letter"], line["body"]) for line in lines] == [(f"wh_{i}", BODY.decode()) for i in range(4)]
        assert (await read(session, "/export?type=nothing.*"))[0] == 409
        elsewhere = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        status, page = await read(session, f"/export?group={GROUP}", **elsewhere)
        assert (status, "<h1>Dead letters</h1>" in page) == (200, True)
        for bound, problem in (("MAX_LETTERS", "5 are more than the 4"), ("MAX_BYTES", "more than the 0 MiB")):
            monkeypatch.setattr(export, bound, 4)
            status, page = await read(session, f"/export?group={GROUP}")
            assert (status, problem in page) == (409, True), bound
            assert f"hookbus-worker dlq export --group {GROUP} --file dead-letters.jsonl" in page
            monkeypatch.undo()


async def test_a_cause_is_redriven_from_the_list_within_the_filter(client, bus):
    async with serving(bus, console_role="operator") as session:
        _, page = await read(session, "/dead?since=2023-11-14T22:13:20.002Z")
        rows = re.findall(r'<td class="num"><form method="post" action="/plan">(.*?)</form>', page)
        assert len(rows) == 2
        form = dict(re.findall(r'name="(\w+)" value="([^"]*)"', html.unescape(rows[0])))
        status, page = await post(session, "/plan", **form)
        assert (status, "<h1>Redrive 2 dead letters</h1>" in page) == (200, True)
        assert form_of(page)["fingerprint"] == letter().fingerprint


async def test_deaths_are_drawn_over_time(bus):
    async with serving(bus) as session:
        _, page = await read(session, "/dead?since=2023-11-14T22:13:20Z&until=2023-11-14T22:13:20.023Z")
    assert re.findall(r"<title>(\d+) from 2023-11-14 22:13:20.(\d+)</title>", page) == [
        ("1", "000"), ("1", "001"), ("2", "002"), ("1", "003"),
    ]  # fmt: skip


async def test_bodies_that_are_not_for_everybody_are_neither_exported_nor_offered(client, bus):
    await store_letters(client, letter("wh_plain"))
    async with serving(bus, console_bodies="operator") as session:
        assert "evt_1" not in (await read(session, f"/dead/{GROUP}/wh_plain"))[1]
        for path, expected in (("/export", 403), ("/dead", 200), (f"/dead/{GROUP}/wh_1?body=raw", 200)):
            status, page = await read(session, path)
            assert status == expected, path
            assert "/export" not in page
            assert "body=raw" not in page
            assert "&#34;a&#34;" not in page
            assert "hookbus-ingest send" not in page
