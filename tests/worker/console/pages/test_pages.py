"""What each page shows of a bus, and what it answers for what is not there."""

import html
import re

import pytest

from hookbus.worker import audit
from hookbus.worker.audit import Action
from hookbus.worker.console.pages import actions, dead, retries
from hookbus.worker.inventory.readers import register
from tests.worker.builders import GROUP, KEYS, TYPE
from tests.worker.console.serving import read, serving
from tests.worker.console.two_groups import two_groups
from tests.worker.dead_letters import DEAD_MS, letter, store_letters
from tests.worker.parked import park

BODY = b'{"id": "evt_1", "type": "response.completed", "data": {"id": "resp_1"}}'


@pytest.fixture
async def bus(client, redis_url):
    """A Redis with two groups, an event, and letters of two causes."""
    await two_groups(client)
    letters = [letter(f"wh_{i}", dead_lettered_at_ms=DEAD_MS + i, body=BODY) for i in range(3)]
    await store_letters(client, *letters, letter("wh_9", error_class="KeyError", type="response.failed"))
    return redis_url


async def test_dead_letters_are_counted_by_cause_and_filtered_by_the_url(bus):
    async with serving(bus) as session:
        _, page = await read(session, "/dead")
        assert re.findall(r'<td class="num bad"><b>(\d+)</b>', page) == ["3", "1"]
        assert 'href="/dead/billing/wh_2"' in page
        for query, names in (
            ("type=response.*", {"wh_0", "wh_1", "wh_2", "wh_9"}),
            ("type=response.failed", {"wh_9"}),
            (f"fingerprint={letter('wh_9', error_class='KeyError', type='response.failed').fingerprint}", {"wh_9"}),
            ("group=audit", set()),
            ("reason=expired", set()),
        ):
            _, page = await read(session, f"/dead?{query}")
            assert set(re.findall(r'href="/dead/billing/(wh_\d)"', page)) == names, query
        assert (await read(session, "/dead?group=nobody"))[0] == 404


async def test_a_filter_that_can_match_nothing_stays_with_what_is_wrong_with_it(bus):
    async with serving(bus) as session:
        for query, status, problem in (
            ("type=responses.completed", 404, "did you mean response.completed?"),
            ("group=biling", 404, "did you mean billing?"),
            ("id=gone", 404, "no dead letter gone"),
            ("reason=rejcted", 400, "did you mean rejected?"),
            ("fingerprint=zzz", 400, "10 hex digits"),
            ("since=soon", 400, "neither an age"),
            ("before=soon", 400, "no number of milliseconds"),
            ("since=1h&until=2h", 400, "later than until"),
        ):
            answered, page = await read(session, f"/dead?{query}")
            page = html.unescape(page)
            assert (answered, problem in page, "None of 4 match." in page) == (status, True, True), query
            assert query.rpartition("=")[2] in page
        _, page = await read(session, "/dead?type=video.completed")
        assert "None of 4 match." in page
        _, page = await read(session, "/dead?until_ms=0")
        assert "None of 4 match." in page


async def test_letters_go_on_a_page_at_a_time_within_their_filter_and_times(client, bus, monkeypatch):
    monkeypatch.setattr(dead, "MAX_LETTERS", 2)
    async with serving(bus) as session:
        _, page = await read(session, f"/dead?type={TYPE}")
        assert re.findall(r'href="/dead/billing/(wh_\d)"', page) == ["wh_2", "wh_1"]
        [older] = re.findall(r'href="(/dead\?[^"]+before=[^"]+)"', page)
        _, page = await read(session, html.unescape(older))
        assert re.findall(r'href="/dead/billing/(wh_\d)"', page) == ["wh_0"]
        assert f'href="/dead?type={TYPE}">← newest' in page
        monkeypatch.setattr(dead, "MAX_LETTERS", 9)
        _, page = await read(session, "/dead?since=2023-11-14T22:13:20.001Z&until=2023-11-14T22:13:20.002Z")
        assert re.findall(r'href="/dead/billing/(wh_\d)"', page) == ["wh_2", "wh_1"]
        _, page = await read(session, "/dead?id=wh_1&since=20000d")
        assert re.findall(r'href="/dead/billing/(wh_\d)"', page) == ["wh_1"]


async def test_a_page_of_letters_is_bounded_however_many_there_are(client, bus):
    await store_letters(client, *(letter(f"many_{i}", message="x" * 5000) for i in range(200)))
    async with serving(bus) as session:
        _, page = await read(session, "/dead")
    assert len(re.findall(r'href="/dead/billing/\w+"', page)) == dead.MAX_LETTERS
    assert f"{dead.MAX_LETTERS} of 204" in page
    assert len(page) < 60_000


async def test_a_letter_shows_its_cause_attempts_and_body(bus):
    async with serving(bus) as session:
        _, page = await read(session, "/dead/billing/wh_1")
        for text in ("no such customer", "attempts_exhausted", "host.1.abcd", "1.5 s", "2023-11-14 22:13:20.001"):
            assert text in page
        assert '<span class="k">&#34;id&#34;</span>: <span class="s">&#34;resp_1&#34;</span>' in page
        async with session.get("/dead/billing/wh_1/body") as response:
            assert await response.read() == BODY
            assert response.headers["Content-Type"] == "application/octet-stream"
            assert response.headers["Content-Disposition"] == 'attachment; filename="body.bin"'
        for path in ("/dead/billing/gone", "/dead/nobody/wh_1", "/dead/billing/%3Cb%3E", "/dead/billing/gone/body"):
            status, page = await read(session, path)
            assert status == 404, path
            assert "<b>" not in page.partition("<main")[2]


async def test_an_event_is_found_in_every_group_by_its_webhook_id_and_by_an_id_in_its_body(client, bus):
    async with serving(bus) as session:
        for name in ("wh_1", "resp_1"):
            status, page = await read(session, f"/event?id={name}")
            assert status == 200, name
            assert 'href="/groups/audit"' in page
            assert 'href="/dead/billing/wh_' in page
        status, page = await read(session, "/event?id=wh_nowhere")
        assert status == 404
        assert "wh_nowhere is not in Redis: never stored here, or trimmed" in page
        assert (await read(session, "/event"))[0] == 200


async def test_what_waits_for_an_attempt_is_listed_soonest_first_a_page_at_a_time(client, bus, monkeypatch):
    monkeypatch.setattr(retries, "ROWS", 2)
    for i in range(3):
        await park(client, f"wh_p{i}", due_ms=DEAD_MS + i)
    async with serving(bus) as session:
        _, page = await read(session, "/retries")
        assert re.findall(r"(wh_p\d)</b>", page) == ["wh_p0", "wh_p1"]
        assert "ValueError: no such customer" in page
        [more] = re.findall(r'href="(/retries\?after=[^"]+)"', page)
        _, page = await read(session, html.unescape(more))
        assert re.findall(r"(wh_p\d)</b>", page) == ["wh_p2"]
        _, page = await read(session, "/retries?error=KeyError")
        assert "None match." in page
        assert (await read(session, "/retries?after=soon"))[0] == 400
        assert (await read(session, "/retries?group=nobody"))[0] == 404


async def test_processes_are_shown_with_what_they_hold(client, bus):
    await client.execute_command("HSET", KEYS.consumers(GROUP), "host-a.7.ab", register(1, [TYPE], ""))
    await client.execute_command("SET", KEYS.alive("host-a.7.ab"), 1)
    await client.execute_command("HSET", KEYS.consumers(GROUP), "host-b.8.cd", register(1, [TYPE], ""))
    async with serving(bus) as session:
        _, page = await read(session, "/processes")
    assert re.findall(r"(host-\w) <span class=\"dimmer\">(\d)</span></td><td class=\"(\w+)\">", page) == [
        ("host-a", "7", "ok"),
        ("host-b", "8", "bad"),
    ]


async def test_actions_are_listed_newest_first_a_page_at_a_time(client, bus, monkeypatch):
    monkeypatch.setattr(actions, "ROWS", 2)
    for verb in ("pause", "resume", "redrive"):
        await audit.begin(client, Action(verb=verb, who="ann@host", why="<b>INC-1</b>"))
    async with serving(bus) as session:
        _, page = await read(session, "/actions")
        assert re.findall(r'<td class="name"><b>(\w+)</b>', page) == ["redrive", "resume"]
        assert "&lt;b&gt;INC-1" in page
        older = re.findall(r'href="(/actions\?before=[^"]+)"', page)
        _, page = await read(session, older[0])
        assert re.findall(r'<td class="name"><b>(\w+)</b>', page) == ["pause"]
        assert (await read(session, "/actions?before=%3Cb%3E"))[0] == 400


async def test_a_group_shows_its_types_and_causes_and_an_unknown_one_is_not_there(bus):
    async with serving(bus) as session:
        _, page = await read(session, f"/groups/{GROUP}")
        assert f'?type={TYPE}">{TYPE}</a></td><td class="num warn">1</td>' in page
        assert "no such customer" in page
        assert (await read(session, "/groups/nobody"))[0] == 404


async def test_the_causes_of_others_hide_none_of_a_group(client, bus):
    crowd = (letter(f"of_{i}", group="audit", frame=f"handlers.py:{i // 4}") for i in range(230 * 4))
    await store_letters(client, *crowd)
    async with serving(bus) as session:
        _, page = await read(session, f"/groups/{GROUP}")
        assert "no such customer" in page
        assert f'title="{GROUP} · {TYPE}: ' in (overview := (await read(session, "/"))[1])
        assert "in 232 causes" in overview


async def test_what_a_url_says_stands_in_a_field_as_text(bus):
    asked = "%22%3E%3Cimg%20src=x%3E"
    async with serving(bus) as session:
        for path in (f"/event?id={asked}", f"/dead?type={asked}", f"/retries?error={asked}"):
            _, page = await read(session, path)
            assert "<img" not in page, path
            assert 'value="&#34;&gt;&lt;img src=x&gt;"' in page, path
