import asyncio
import re
from collections.abc import AsyncIterator

import aiohttp
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from hookbus.shared import keys
from hookbus.shared.valkey import Valkey
from hookbus.worker import audit
from hookbus.worker.audit import Action
from hookbus.worker.console import guard
from hookbus.worker.console.pages import health
from hookbus.worker.console.routes import ROUTES
from tests.wait import until
from tests.worker.builders import GROUP, TYPE, join, store
from tests.worker.console.serving import read, serving
from tests.worker.dead_letters import create_groups, letter, store_letters

EXAMPLES = {"group": GROUP, "name": "wh_dead"}


def paths(**more: str) -> list[str]:
    """A path for each page."""
    patterns = [route.path.pattern for route in ROUTES if route.method == "GET"]
    return [re.sub(r"\(\?P<(\w+)>[^)]*\)", lambda match: (EXAMPLES | more)[match[1]], pattern) for pattern in patterns]


async def test_every_answer_has_the_headers_of_the_guard(client, redis_url):
    await create_groups(client, GROUP)
    async with serving(redis_url) as session:
        _, page = await read(session, "/")
        style = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
        answered = (("/", 200), ("/nothing", 404), ("/part/", 200), (style, 200), ("/part/nothing", 404))
        probes = (("/healthz", 200), ("/readyz", 200), ("/metrics", 200))
        for path, status in (*answered, *probes):
            async with session.get(path) as response:
                assert response.status == status
                for name, value in guard.HEADERS.items():
                    if name != "Cache-Control" or path != style:
                        assert response.headers[name] == value, (path, name)
                assert "Access-Control-Allow-Origin" not in response.headers


async def test_a_request_under_another_name_or_from_another_page_is_refused(client, redis_url):
    await create_groups(client, GROUP)
    async with serving(redis_url, console_hosts=("console.example.com",), console_role="operator") as session:
        for host in ("evil.example", "127.0.0.1.evil.com"):
            assert (await read(session, "/", Host=host))[0] == 421
            assert (await read(session, "/healthz", Host=host))[0] == 200
            assert (await read(session, "/metrics", Host=host))[0] == 421
        assert (await read(session, "/metrics", Host="10.1.2.3:9467"))[0] == 200
        assert (await read(session, "/", Host="console.example.com"))[0] == 200
        async with session.post("/", headers={"Origin": "http://evil.example"}) as response:
            assert response.status == 403
        async with session.post("/", headers={"Sec-Fetch-Site": "same-origin"}) as response:
            assert response.status == 404


async def test_an_answer_to_what_is_no_http_has_the_headers_of_the_guard_too(client, redis_url):
    async with serving(redis_url) as session:
        assert session._base_url is not None
        reader, writer = await asyncio.open_connection(session._base_url.host, session._base_url.port)
        writer.write(b"GET / HTTP/9\r\n\r\n")
        answer = (await reader.read()).decode()
        writer.close()
    assert answer.partition(" ")[2].startswith("400 ")
    for name, value in guard.HEADERS.items():
        assert f"{name}: {value}\r\n" in answer


async def chunks(size: int) -> AsyncIterator[bytes]:
    """A body whose length is not declared."""
    for _ in range(size // 1024):
        yield b"a=" + b"x" * 1022


FORM = {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}


async def test_a_form_that_is_none_of_ours_is_refused_and_is_no_bug(client, redis_url):
    await create_groups(client, GROUP)
    async with serving(redis_url, console_role="operator") as session:
        for body, kind, status in (
            (b"verb=redrive", FORM["Content-Type"], 200),
            (chunks(64 * 1024), FORM["Content-Type"], 400),
            (chunks(65 * 1024), FORM["Content-Type"], 413),
            (chunks(2**20 + 2**19), FORM["Content-Type"], 413),
            (b"x" * (64 * 1024 + 1), FORM["Content-Type"], 413),
            (b"verb=redrive", f"{FORM['Content-Type']}; charset=nope", 200),
            (b"verb=\xff", FORM["Content-Type"], 400),
            (b"verb=%ff", FORM["Content-Type"], 400),
            (b"&".join(b"a=b" for _ in range(101)), FORM["Content-Type"], 400),
            (b"{}", "application/json", 400),
            (b"--b--", "multipart/form-data; boundary=b", 400),
        ):
            headers = FORM | {"Content-Type": kind}
            async with session.post("/plan", data=body, headers=headers) as response:
                assert response.status == status, (kind, await response.text())


async def test_a_number_that_redis_or_python_would_refuse_is_no_bug_and_no_fault_of_redis(client, redis_url):
    await create_groups(client, GROUP)
    long = "9" * 5000
    async with serving(redis_url, console_role="operator") as session:
        for path in (f"/actions?before={'9' * 20}-0", f"/actions?before={long}", "/actions?before=x",
                     f"/dead?until_ms={long}", f"/retries?after={long},a", "/retries?after=x"):  # fmt: skip
            assert (await read(session, path))[0] == 400, path[:40]
        async with session.post("/plan", data={"verb": "discard", "until_ms": long}, headers=FORM) as response:
            assert response.status == 400
        async with session.post("/run", data={"verb": "discard", "counted": long}, headers=FORM) as response:
            assert response.status == 409


async def test_a_link_of_another_site_does_not_search_and_offers_to(client, redis_url):
    await create_groups(client, GROUP)
    await store(client, "wh_1")
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    async with serving(redis_url) as session:
        status, page = await read(session, "/event?id=wh_1", **link)
        assert status == 200
        assert "Press Find to search for it" in page
        assert 'value="wh_1"' in page
        assert "stored" not in page
        assert "stored" in (await read(session, "/event?id=wh_1"))[1]


async def test_no_page_changes_anything_in_redis(client, redis_url):
    await create_groups(client, GROUP)
    await join(client)
    await store(client, "wh_1", "wh_2")
    await store_letters(client, letter("wh_dead"))
    begun = await audit.begin(client, Action(verb="pause", who="ann@host"))
    before = await dumps(client)
    async with serving(redis_url) as session:
        pages = set(paths(id=begun)) - {"/event/body"}
        assert (await read(session, "/event/body?id=wh_1&source=openai"))[0] == 200
        for path in (*pages, "/event?id=wh_1"):
            assert (await read(session, path))[0] == 200
            assert (await read(session, f"/part{path}"))[0] == 200
            async with session.head(path) as response:
                assert response.status == 200
    assert await dumps(client) == before


async def dumps(client: Redis) -> dict[bytes, bytes]:
    """Each key with its content."""
    names = await client.execute_command("KEYS", "*")
    return {name: await client.execute_command("DUMP", name) for name in names}


async def test_a_part_is_sent_again_only_after_the_next_look(client, redis_url):
    await create_groups(client, GROUP)
    async with serving(redis_url) as session:
        version = await until(lambda: _unchanged(session))
        assert "<html" not in await until(lambda: _newer(session, version))


async def _unchanged(session: aiohttp.ClientSession) -> str:
    """The version of a page of which no part is sent again; none when a look came in between, as after a rest."""
    _, page = await read(session, "/")
    version = page.partition('data-version="')[2].partition('"')[0]
    return version if await read(session, f"/part/?v={version}") == (304, "") else ""


async def _newer(session: aiohttp.ClientSession, version: str) -> str:
    """What has changed since a version, once a later look is shown: one that has grown old is a change, too."""
    _, part = await read(session, f"/part/?v={version}")
    found = re.search(r'data-version="(\d+)', part)
    return part if found and int(found[1]) > int(version.removesuffix("-old")) else ""


async def test_the_figures_are_those_of_redis(client, redis_url):
    await create_groups(client, GROUP)
    await join(client)
    await store(client, *(f"wh_{i}" for i in range(1234)))
    async with serving(redis_url) as session:
        _, page = await read(session, "/")
    assert "<dt>Backlog</dt><dd>1,234 " in page
    assert f'title="{GROUP} · {TYPE}: 1,234 waiting"' in page
    assert '<a class="cell h3"' in page


async def test_while_redis_does_not_answer_the_last_figures_stay_and_are_said_to_be_old(own_server: Valkey, redis_url):
    async with serving(own_server.url) as session:
        await until(lambda: _has(session, "No group yet"))
        own_server.stop()
        page = await until(lambda: _has(session, 'class="old"'), timeout_s=5)
        assert "Redis does not answer" in page
        own_server.start()
        page = await until(lambda: _has(session, 'class="old"', is_there=False), timeout_s=5)
        assert 'id="old" role="alert" hidden' in page


async def test_nothing_is_changed_while_the_figures_are_old(own_server: Valkey):
    ours = {"Sec-Fetch-Site": "same-origin"}
    async with serving(own_server.url, console_role="operator") as session:
        await until(lambda: _has(session, "No group yet"))
        own_server.stop()
        await until(lambda: _has(session, 'class="old"'), timeout_s=5)
        async with session.post("/run", data={"verb": "redrive"}, headers=ours) as response:
            assert response.status == 503
            assert "Nothing was changed" in await response.text()


async def _has(session: aiohttp.ClientSession, text: str, *, is_there: bool = True) -> str:
    _, page = await read(session, "/")
    return page if (text in page) is is_there else ""


async def test_a_newer_layout_is_named_on_every_page_and_is_no_bug(client, redis_url):
    await create_groups(client, GROUP)
    async with serving(redis_url) as session:
        await until(lambda: _has(session, "Groups × event types"))
        await client.execute_command("HSET", keys.META, "layout", 99)
        await until(lambda: _has(session, "data layout 99"))
        for path in ("/dead", "/retries", "/processes", "/event?id=wh_1"):
            status, page = await read(session, path)
            assert (status, "data layout 99" in page, "does not answer" in page) == (503, True, False), path


async def test_a_console_for_operators_starts_with_the_users_that_are_shipped(own_server: Valkey):
    url = own_server.url.replace("unix://", "unix://console:console@")
    async with serving(url, console_role="operator") as session:
        await until(lambda: _has(session, "Groups × event types"))


def health_raises(monkeypatch, error):
    """Let the page of health raise, and be the only one."""

    async def broken(*_: object) -> None:
        raise error

    (route,) = [each for each in ROUTES if each.page is health.page]
    monkeypatch.setattr("hookbus.worker.console.routes.ROUTES", (route._replace(page=broken),))


async def test_a_user_of_an_older_release_is_told_to_load_the_acl(client, redis_url, monkeypatch):
    await create_groups(client, GROUP)
    health_raises(monkeypatch, NoPermissionError("this user has no permissions to run the 'xinfo' command"))
    async with serving(redis_url) as session:
        status, page = await read(session, "/health")
        assert (status, "Redis refused it" in page, "did not answer" in page) == (503, True, False)
        assert "load the ACL of this release (deploy/redis)" in page


async def test_a_page_with_a_bug_is_answered_500_and_the_log_has_the_reason(client, redis_url, monkeypatch):
    await create_groups(client, GROUP)
    health_raises(monkeypatch, ValueError("secret of the page"))
    async with serving(redis_url, "page_failed") as session:
        status, page = await read(session, "/health")
        assert status == 500
        assert "secret" not in page
