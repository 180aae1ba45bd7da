"""A bus that is empty, has nobody at work, is of another layout, is moved by many at once, or has a wrong clock."""

import asyncio

from hookbus.shared import keys
from hookbus.shared.connection import connect
from hookbus.worker import audit
from hookbus.worker.console import looker, pace
from hookbus.worker.console.routes import ROUTES
from hookbus.worker.inventory import registry
from tests.console import visited
from tests.programs import Program
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, TYPE, commandstats, join, store
from tests.worker.commands import worker
from tests.worker.console.pages.test_plan import ended, form_of, post
from tests.worker.console.serving import read, serving
from tests.worker.dead_letters import create_groups, letter, store_letters, subscribe

PARTS = {"group": GROUP, "name": "wh_1", "id": "1-1"}
LETTERS = 3000
HOUR_MS = 3_600_000


async def test_on_an_empty_redis_every_page_is_there_and_says_what_is_not(client, redis_url):
    async with serving(redis_url, console_role="operator") as session:
        pages = {path: await read(session, path) for path in visited.paths(PARTS, "GET")}
        assert await client.execute_command("KEYS", "*") == []
    assert {status for status, _ in pages.values()} == {200, 404}
    of_one = {path for path, route in zip(pages, _getting(), strict=True) if route.path.groups} | {"/event/body"}
    assert {path for path, (status, _) in pages.items() if status == 404} <= of_one
    for path, text in (
        ("/", "No group yet"),
        ("/processes", "No ingest process has registered"),
        ("/processes", "No worker has registered"),
        ("/dead", "No dead letters"),
        ("/actions", "No actions"),
    ):
        assert text in pages[path][1], path


def _getting():
    return [route for route in ROUTES if route.method == "GET"]


async def test_a_group_without_workers_needs_somebody(client, redis_url):
    await subscribe(client, TYPE)
    await join(client)
    await store(client, "wh_1")
    await client.execute_command("DEL", KEYS.consumers(GROUP))
    async with serving(redis_url) as session:
        _, page = await read(session, "/")
        needs, _, rest = page.partition("Groups × event types")
        assert rest
        assert f"{GROUP}: no live worker, 1 event" in needs


async def test_a_newer_layout_ends_the_start_with_its_number(client, redis_url):
    await client.execute_command("HSET", keys.META, "layout", 99)
    with Program("hookbus-worker", "console", "--listen", "127.0.0.1:0", redis_url=redis_url) as program:
        assert await program.until_ended() == 78
        assert any("data layout 99" in line for line in program.raw)
        assert not any("Traceback" in line for line in program.raw)


async def test_two_consoles_and_a_tool_redrive_the_same_letters_once_each(client, redis_url):
    await subscribe(client, TYPE)
    await store_letters(client, *(letter(f"wh_{i}") for i in range(LETTERS)))
    operator = {"console_role": "operator"}
    async with serving(redis_url, **operator) as first, serving(redis_url, **operator) as second:
        plans = [form_of((await post(each, "/plan", verb="redrive"))[1]) for each in (first, second)]
        tool = asyncio.to_thread(worker, redis_url, "dlq", "redrive", "--all", "--yes")
        found = await asyncio.gather(post(first, "/run", **plans[0]), post(second, "/run", **plans[1]), tool)
        for status, place in found[:2]:
            assert (status, place.startswith("/jobs/")) == (303, True)
            assert (await ended(client, place)).result == "done"
    moved = [entry.moved or 0 for entry in await audit.fetch(client, 10)]
    assert sum(moved) == LETTERS
    entries = await client.execute_command("XRANGE", KEYS.redelivery(TYPE, GROUP), "-", "+")
    names = {fields[fields.index(b"id") + 1] for _, fields in entries}
    assert (len(entries), len(names)) == (LETTERS, LETTERS)
    assert await client.execute_command("ZCARD", KEYS.dead(GROUP)) == 0


async def test_a_letter_of_the_future_is_shown_and_moved_from_its_page(client, redis_url):
    await create_groups(client, GROUP)
    ahead = letter("wh_1", dead_lettered_at_ms=await registry.now_ms(client) + HOUR_MS)
    await store_letters(client, ahead)
    async with serving(redis_url, console_role="operator") as session:
        for path in ("/", "/dead", f"/dead?group={GROUP}&type={TYPE}", f"/dead/{GROUP}/wh_1"):
            status, page = await read(session, path)
            assert (status, "wh_1" in page or path == "/") == (200, True), path
        _, page = await post(session, "/plan", verb="discard", group=GROUP, id="wh_1")
        status, place = await post(session, "/run", **form_of(page))
        assert status == 303, place
        assert (await ended(client, place)).moved == 1


async def test_when_nobody_looks_redis_hears_nothing_from_the_console(own_server, monkeypatch):
    monkeypatch.setattr(looker, "ASKED_S", 0.0)
    monkeypatch.setattr(pace, "INTERVAL_S", 0.01)
    async with serving(own_server.url) as session, connect(own_server.url, "tests") as client:
        await read(session, "/")
        await until(lambda: _is_silent(client))


async def _is_silent(client):
    """Whether nobody but the test sends a command, for many times as long as looks are apart."""
    await client.execute_command("CONFIG", "RESETSTAT")
    await asyncio.sleep(0.5)
    return set(await commandstats(client)) <= {"config|resetstat", "info"}
