"""Test events of an operator: planned, sent once however often the form is, shown as such; refused in words."""

import html
import json
import re
import shlex
import time
from urllib.parse import parse_qs, urlsplit

import pytest

from hookbus.ingest.signature import Verifier
from hookbus.shared.keys import HOME
from hookbus.shared.samples import samples
from hookbus.worker import audit
from hookbus.worker.console import sending
from tests.ingest import serving as ingest
from tests.programs import free_port
from tests.worker.builders import TYPE, join
from tests.worker.console.pages.test_plan import post
from tests.worker.console.receiving import SECRET, receiving
from tests.worker.console.serving import read, serving
from tests.worker.dead_letters import subscribe

SEND = "/events/send"
OTHER = "batch.failed"


@pytest.fixture
async def bus(client, redis_url):
    """Two groups, of which one subscribes to the type."""
    await subscribe(client, TYPE, "response.*")
    await subscribe(client, OTHER, group="audit")
    await join(client, TYPE)
    return redis_url


def fields(page: str) -> dict[str, str]:
    """The fields that the form of a plan sends."""
    form = page.partition(f'action="{SEND}"')[2].partition("</form>")[0]
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))


async def planned(session, event_type=TYPE, **form):
    status, page = await post(session, SEND, type=event_type, **form)
    assert status == 200, page
    return page


async def recorded(client):
    return await audit.fetch(client, 9)


async def test_a_plan_names_the_groups_and_sends_nothing(client, bus):
    async with receiving() as receiver, serving(bus, **receiver.settings) as session:
        page = await planned(session, why="INC-7")
        assert f'<h1 class="name">Send a test event {TYPE}</h1>' in page
        row = rf'<td class="mono name">response\.\*, {TYPE}</td><td class="warn name">no worker of the group is alive<'
        assert re.search(row, page)
        assert "audit" not in page
        assert f"hookbus-ingest send {TYPE} --url {receiver.url}</code>" in page
        assert fields(page) == {"type": TYPE, "id": fields(page)["id"], "confirmed": "1"}
        assert sending.is_test(fields(page)["id"])
        assert fields(page)["id"] != fields(await planned(session))["id"]
        assert "nothing handles it" in await planned(session, "eval.run.failed")
        assert receiver.posts == []
        assert str(SECRET) not in page
    assert await client.execute_command("EXISTS", HOME.audit) == 0


async def test_the_page_of_events_has_the_form_for_operators_where_it_is_set_up(client, bus):
    async with receiving() as receiver:
        for settings, has_form, has_hint in (
            (receiver.settings, True, False),
            (receiver.settings | {"console_role": "viewer"}, False, False),
            ({"console_role": "operator"}, False, True),
            ({}, False, False),
        ):
            async with serving(bus, **settings) as session:
                _, page = await read(session, f"/events?type={TYPE}")
            assert (f'action="{SEND}"' in page, "console_send_url" in page) == (has_form, has_hint), settings
            if has_form:
                offered = re.findall(r"<option( selected)?>([^<]+)</option>", page)
                assert offered == [(" selected" * (name == TYPE), name) for name in sorted(samples())]


async def test_it_is_stored_once_by_a_real_ingest_and_its_page_tells_who_sent_it(client, bus):
    async with ingest.serving(bus) as running:
        settings = {"console_send_url": running.url, "console_send_secret": ingest.SECRET}
        async with serving(bus, console_role="operator", **settings) as session:
            form = fields(await planned(session)) | {"why": "INC-7"}
            for _ in range(2):
                status, place = await post(session, SEND, **form)
                assert (status, parse_qs(urlsplit(place).query)) == (303, {"id": [form["id"]]})
            status, page = await read(session, place)
    assert status == 200
    assert re.search(r"Test event, sent by console@\S+ at [-0-9: .]+ UTC: INC-7<", page)
    assert f"{TYPE} from openai" in page
    [entry] = await ingest.entries(client, TYPE)
    assert form["id"].encode() in entry.values()
    again, first = await recorded(client)
    assert (first.verb, first.via, first.role, first.why) == ("send", "console", "operator", "INC-7")
    assert first.criteria == {"type": [TYPE], "id": [form["id"]]}
    assert [(each.result, each.matching, each.moved) for each in (first, again)] == [("done", 1, 1), ("done", 1, 0)]


async def test_an_event_that_only_looks_like_a_test_event_is_none(client, bus):
    name = sending.fresh_id()
    async with receiving() as receiver, serving(bus, **receiver.settings) as session:
        assert (await post(session, SEND, **fields(await planned(session))))[0] == 303
        async with ingest.serving(bus) as running:
            request = ingest.posting.signed_request(ingest.KEY, ingest.event_body(TYPE), name)
            assert (await running.execute(request))[0] == 200
        status, page = await read(session, f"/event?id={name}")
    assert (status, "Test event" in page) == (200, False)


@pytest.mark.parametrize(
    ("answer", "said", "is_unsure"),
    [
        ({"status": 401, "text": '{"error": "signature_mismatch"}'}, "401 signature_mismatch: worker.console_s", False),
        ({"status": 403, "text": '{"error": "type_not_allowed"}'}, "403 type_not_allowed: the source at", False),
        ({"status": 404, "text": "<h1>none</h1>"}, "404: ingest has no source at the path of", False),
        ({"status": 307, "headers": {"Location": "/"}}, "307: worker.console_send_url must be", False),
        ({"status": 400, "text": '{"error": "timestamp_stale"}'}, "400 timestamp_stale: the clocks of", False),
        ({"status": 200, "text": "<h1>Welcome</h1>"}, "200: the server at worker.console_send_url is not", False),
        ({"status": 503, "text": '{"error": "queue_unavailable"}'}, "503 queue_unavailable: ingest can't", True),
        ({"status": 500, "text": '{"error": "<b>' + "x" * 9999 + '"}'}, "500 <b>xxxx", True),
    ],
)
async def test_a_refusal_is_told_with_code_and_reason_recorded_as_failed_and_can_be_sent_again(
    client, bus, answer, said, is_unsure
):
    async with receiving() as receiver, serving(bus, **receiver.settings) as session:
        form = fields(await planned(session))
        receiver.answer = answer
        status, page = await post(session, SEND, **form)
        text = html.unescape(page)
        assert status == 409
        assert f"{'Not known to be stored' if is_unsure else 'Nothing was changed'}: {said}" in text
        assert "x" * sending.SHOWN_CHARS not in page
        assert (f'href="/event?id={form["id"]}"' in page) == is_unsure
        assert fields(page)["id"] == form["id"], "sent again, it is the same event"
        assert str(SECRET) not in page
        receiver.answer = {"text": '{"status": "accepted"}'}
        assert (await post(session, SEND, **fields(page)))[0] == 303
    assert {each["webhook-id"] for each in receiver.posts} == {form["id"]}
    done, failed = await recorded(client)
    assert (done.result, failed.result, failed.moved) == ("done", "failed", 0)
    assert failed.error.startswith(said[:30])
    assert str(SECRET) not in failed.error


async def test_a_wrong_secret_and_a_wrong_path_are_refused_by_a_real_ingest(client, bus):
    async with ingest.serving(bus) as running:
        for url, said in ((running.url, "401 signature_mismatch"), (f"{running.base}/other", "404 ")):
            settings = {"console_send_url": url, "console_send_secret": SECRET}
            async with serving(bus, console_role="operator", **settings) as session:
                status, page = await post(session, SEND, **fields(await planned(session)))
            assert (status, f"Nothing was changed: {said}" in page) == (409, True), url
    assert await ingest.entries(client, TYPE) == []


async def test_without_a_listener_or_an_answer_it_is_told_so(client, bus, monkeypatch):
    async with receiving() as receiver:
        settings = receiver.settings | {"console_send_url": f"http://127.0.0.1:{free_port()}/"}
        async with serving(bus, **settings) as session:
            status, page = await post(session, SEND, **fields(await planned(session)))
        assert (status, "Nothing was changed: Connection refused" in page) == (409, True)
        monkeypatch.setattr(sending, "ANSWER_TIMEOUT_S", 0.0001)
        async with serving(bus, **receiver.settings) as session:
            status, page = await post(session, SEND, **fields(await planned(session)))
        assert (status, "Not known to be stored: no answer in time" in page) == (409, True)


async def test_a_form_of_another_type_or_without_an_id_is_not_understood(client, bus):
    async with receiving() as receiver, serving(bus, **receiver.settings) as session:
        status, page = await post(session, SEND, type="response.complete")
        assert (status, "did you mean response.completed?" in page) == (400, True)
        for name in ("", "wh_1", "test_x", f"test_{'0' * 33}"):
            assert (await post(session, SEND, type=TYPE, id=name, confirmed="1"))[0] == 400
        assert receiver.posts == []
    async with serving(bus, console_role="operator") as session:
        status, page = await post(session, SEND, type=TYPE)
        assert (status, "worker.console_send_secret are not set" in page) == (404, True)
    assert await recorded(client) == []


async def test_the_secret_is_read_for_each_and_its_file_may_be_gone_for_a_while(client, bus, tmp_path):
    file = tmp_path / "secret"
    file.write_text(SECRET)
    async with receiving() as receiver:
        settings = receiver.settings | {"console_send_secret": f"file:{file}"}
        async with serving(bus, **settings) as session:
            form = fields(page := await planned(session))
            assert f"hookbus-ingest send {TYPE} --url {receiver.url} --secret file:{file}</code>" in page
            file.unlink()
            status, page = await post(session, SEND, **form)
            assert (status, f"worker.console_send_secret: file:{file}: No such file" in page) == (409, True)
            file.write_text(SECRET)
            assert (await post(session, SEND, **form))[0] == 303
    assert len(receiver.posts) == 1
    assert [each.result for each in await recorded(client)] == ["done", "failed"]


async def test_the_command_of_the_form_sends_the_same_event_in_a_shell(client, bus, tmp_path):
    file = tmp_path / "secret"
    file.write_text(SECRET)
    async with receiving() as receiver:
        async with serving(bus, **receiver.settings | {"console_send_secret": f"file:{file}"}) as session:
            page = await planned(session)
            assert (await post(session, SEND, **fields(page)))[0] == 303
        [command] = re.findall(r"<code>hookbus-ingest (send [^<]+)</code>", html.unescape(page))
        code, printed, error = await ingest.command(*shlex.split(command))
    assert (code, "200 accepted" in printed) == (0, True), error
    for headers, body in zip(receiver.posts, receiver.bodies, strict=True):
        Verifier([SECRET]).verify(headers, body, time.time())
    by_form, by_command = map(json.loads, receiver.bodies)
    assert by_form.pop("id") != by_command.pop("id")
    assert by_command.pop("created_at") - by_form.pop("created_at") in range(120)
    assert by_command == by_form
