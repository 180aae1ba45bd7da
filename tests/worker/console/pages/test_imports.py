"""Dead letters from a file in the console: those that are new, and what is refused, with its line."""

import asyncio
import io
import re

import aiohttp
import pytest

from hookbus.worker import audit
from hookbus.worker.console import upload
from hookbus.worker.dlq import jsonl
from tests.wait import until
from tests.worker.builders import GROUP, KEYS
from tests.worker.console.serving import read, serving
from tests.worker.dead_letters import create_groups, letter, store_letters

OURS = {"Sec-Fetch-Site": "same-origin"}
BOUNDARY = "b0undary"


@pytest.fixture
async def bus(client, redis_url):
    await create_groups(client, GROUP)
    return redis_url


def lines(*names, **changes):
    return b"".join(jsonl.write_line(name, letter(name, **changes)) for name in names)


async def send(session, body, *, why="INC-7", name="letters.jsonl", headers=OURS):
    """Code and text of the answer to a file in the form of the page."""
    form = aiohttp.FormData()
    form.add_field("why", why)
    form.add_field("file", io.BytesIO(body), filename=name, content_type="application/octet-stream")
    async with session.post("/import", data=form, headers=headers) as response:
        return response.status, await response.text()


def told(page):
    """What the page says was imported, and was there already."""
    return re.findall(r"<dt>(?:imported|already there)</dt><dd>([\d,]+)", page)


async def test_letters_come_back_byte_for_byte_and_again_change_nothing(client, bus):
    await store_letters(client, letter("wh_1", body=b"\xff\x00"), letter("wh_2"))
    async with serving(bus, console_role="operator") as session:
        async with session.get("/export", headers={"Sec-Fetch-Site": "none"}) as response:
            exported = await response.read()
        await client.execute_command("DEL", *await client.execute_command("KEYS", "*:dead:*"))
        for expected in (["2", "0"], ["0", "2"]):
            status, page = await send(session, exported)
            assert (status, told(page)) == (200, expected)
        assert '<dd class="name">nothing</dd>' in page
        async with session.get("/export", headers={"Sec-Fetch-Site": "none"}) as response:
            assert await response.read() == exported
    entry = (await audit.fetch(client, 2))[1]
    assert (entry.verb, entry.via, entry.moved, entry.gone) == ("dlq import", "console", 2, 0)
    assert (entry.result, entry.why, entry.criteria) == ("done", "INC-7", {"file": ["letters.jsonl"]})


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (b"no json\n", "line 3: JSON is malformed"),
        (b"x" * 10_000_000 + b"\n", "line 3: JSON is malformed"),
        (b"[" * 100_000 + b"\n", "line 3: "),
        (b"\xff\xfe\n", "line 3: "),
        (b"{}\n", "line 3: Object missing required field"),
        (lines("wh_3", group="nobody"), "line 3: no group nobody"),
        (lines("wh_3").replace(b'"webhook_id":"wh_3"', b'"webhook_id":"wh 3"'), "line 3: webhook_id"),
        (lines("wh_3").replace(b'"attempts":20', b'"attempts":-1'), "line 3: Expected `int` &gt;= 0"),
    ],
    ids=["no-json", "10-mb", "deep", "no-utf8", "no-fields", "no-group", "webhook-id", "attempts"],
)
async def test_what_stands_before_an_invalid_line_is_imported_and_the_line_is_named(client, bus, bad, problem):
    async with serving(bus, console_role="operator") as session:
        status, page = await send(session, lines("wh_1", "wh_2") + bad + lines("wh_4"))
    assert (status, told(page)) == (409, ["2", "0"])
    assert f"What follows was not imported: {problem}" in page
    assert await client.execute_command("ZRANGE", KEYS.dead(GROUP), 0, -1) == [b"wh_1", b"wh_2"]
    assert (await audit.fetch(client, 1))[0].result == "failed"


async def test_what_is_too_large_ends_where_its_bound_is(client, bus, monkeypatch):
    monkeypatch.setattr(upload, "MAX_BYTES", 200_000)
    monkeypatch.setattr(upload, "MAX_LINE_BYTES", 100_000)

    async def parts():
        yield head("a.jsonl") + lines("wh_1")
        for i in range(10):
            yield lines(f"wh_big{i}", message="x" * 50_000)

    async with serving(bus, console_role="operator") as session:
        status, page = await send(session, lines("wh_0") + lines("wh_1", message="x" * 120_000))
        assert (status, told(page)) == (413, ["1", "0"])
        assert "line 2: it has more than the 100,000 bytes of a line" in page
        status, page = await send(session, b" " * 300_000)
        assert (status, "the file has more than 0 MiB" in page) == (413, True)
        status, page = await post(session, parts())
        assert (status, "the file has more than 0 MiB" in page) == (413, True)
        assert int(told(page)[0]) in (3, 4)


def head(name):
    return (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    )  # fmt: skip


async def post(session, body, kind=f"multipart/form-data; boundary={BOUNDARY}"):
    async with session.post("/import", data=body, headers=OURS | {"Content-Type": kind}) as response:
        return response.status, await response.text()


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"file=x", "application/x-www-form-urlencoded", 400),
        (b"", "multipart/form-data", 400),
        (b"nonsense", f"multipart/form-data; boundary={BOUNDARY}", 400),
        (f"--{BOUNDARY}--\r\n".encode(), f"multipart/form-data; boundary={BOUNDARY}", 400),
        (f"--{BOUNDARY}\r\nbad header\r\n\r\nx".encode(), f"multipart/form-data; boundary={BOUNDARY}", 400),
        (head("a") + b"ends early", f"multipart/form-data; boundary={BOUNDARY}", 400),
        (head("a").replace(b'"file"', b'"why"') + b"x" * 9_000, f"multipart/form-data; boundary={BOUNDARY}", 413),
        (head("a").replace(b'"file"', b'"why"') + b"\xff\r\n", f"multipart/form-data; boundary={BOUNDARY}", 400),
    ],
)
async def test_what_is_no_form_with_a_file_is_refused_without_a_record(client, bus, body, kind, status):
    async with serving(bus, console_role="operator") as session:
        answered, page = await post(session, body, kind)
    assert (answered, "Nothing was imported" in page) == (status, True)
    assert told(page) == ["0", "0"]
    assert await client.execute_command("EXISTS", KEYS.dead(GROUP)) == 0


async def test_an_upload_that_is_cut_off_leaves_what_came_and_its_record(client, bus):
    await store_letters(client, letter("wh_0"))
    async with serving(bus, console_role="operator") as session:
        url = session._base_url
        _, writer = await asyncio.open_connection(url.host, url.port)
        body = head("cut.jsonl") + lines(*(f"wh_cut{i}" for i in range(300))) + b'{"letter": '
        headers = (
            f"POST /import HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 999999\r\n"
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
        )
        writer.write(headers.encode() + body)
        await writer.drain()
        await until(lambda: _begun(client))
        writer.close()
        await until(lambda: _ended(client))
        assert (await read(session, "/dead"))[0] == 200
    entry = (await audit.fetch(client, 1))[0]
    left = await client.execute_command("ZCARD", KEYS.dead(GROUP))
    assert (entry.result, entry.moved) == ("failed", left - 1)
    assert left > 20, "what came long before the end"


async def _begun(client):
    return await audit.fetch(client, 1)


async def _ended(client):
    found = await audit.fetch(client, 1)
    return found and found[0].result


async def test_only_operators_import_from_a_page_of_the_console_and_one_at_a_time(client, bus, monkeypatch):
    async with serving(bus) as session:
        assert (await send(session, lines("wh_1")))[0] == 403
        assert 'action="/import"' not in (await read(session, "/dead"))[1]
    async with serving(bus, console_role="operator") as session:
        for headers in ({}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            assert (await send(session, lines("wh_1"), headers=headers))[0] == 403
        going_on = asyncio.Event()

        async def slowly():
            yield head("slow.jsonl") + lines("wh_1")
            await going_on.wait()
            yield f"\r\n--{BOUNDARY}--\r\n".encode()

        first = asyncio.create_task(post(session, slowly()))
        await until(lambda: _begun(client))
        status, page = await send(session, lines("wh_2"))
        assert (status, "another import runs" in page) == (409, True)
        going_on.set()
        status, page = await first
        assert (status, told(page)) == (200, ["1", "0"])
    assert await client.execute_command("ZRANGE", KEYS.dead(GROUP), 0, -1) == [b"wh_1"]


async def test_a_browser_that_sends_nothing_is_not_waited_for(client, bus, monkeypatch):
    monkeypatch.setattr(upload, "IDLE_S", 0.2)

    async def stops():
        yield head("a") + lines("wh_1")
        await asyncio.Event().wait()

    async with serving(bus, console_role="operator") as session:
        status, page = await post(session, stops())
    assert status == 408
    assert "the browser sent nothing for 0.2 s" in page


async def test_a_hostile_name_of_a_file_is_text(client, bus):
    async with serving(bus, console_role="operator") as session:
        _, page = await post(session, head("<script>\u202e.jsonl") + lines("wh_1") + f"\r\n--{BOUNDARY}--\r\n".encode())
    assert "<script>\u202e" not in page
    assert "&lt;script&gt;" in page
