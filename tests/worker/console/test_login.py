"""Who has a token gets in: the page that asks, its cookie, and what becomes of guesses."""

import re

import aiohttp
import pytest

from hookbus.worker import audit
from hookbus.worker.console import guesses, keyring, login, sessions
from hookbus.worker.console.routes import ROUTES
from tests.worker.builders import GROUP
from tests.worker.console.serving import read, serving
from tests.worker.dead_letters import create_groups, letter, store_letters

VIEWER, OPERATOR = "v" * 32, "o" * 32
SETTINGS = {"console_auth": "token", "console_tokens": {"viewer": (VIEWER,), "operator": (OPERATOR,)}}
OWN = {"Sec-Fetch-Site": "same-origin"}
HTTPS = {"X-Forwarded-Proto": "https"}


async def log_in(session: aiohttp.ClientSession, token: str, to: str = "/", **headers: str) -> aiohttp.ClientResponse:
    """The answer to the form."""
    form = {"token": token, "to": to}
    async with session.post("/login", data=form, headers=OWN | headers, allow_redirects=False) as response:
        await response.read()
        return response


async def cookie(session: aiohttp.ClientSession, token: str) -> dict[str, str]:
    """The header of a session that begins; the client itself forgets it."""
    response = await log_in(session, token)
    assert response.status == 303
    session.cookie_jar.clear()
    return {"Cookie": f"hookbus={response.cookies['hookbus'].value}"}


async def test_without_a_session_there_is_nothing_but_the_page_that_asks(client, redis_url):
    await create_groups(client, GROUP)
    await store_letters(client, letter("wh_1"))
    async with serving(redis_url, **SETTINGS) as session:
        for route in ROUTES:
            path = re.sub(r"\(.*?\)", "x", route.path.pattern)
            async with session.request(route.method, path, headers=OWN) as response:
                page = await response.text()
                assert response.status == 401
                assert GROUP not in page
        assert (await read(session, "/part/"))[1] == "log in first\n"
        _, page = await read(session, "/dead?type=a%22b")
        assert '<input type="hidden" name="to" value="/dead?type=a%22b">' in page
        style = re.findall(r'rel="stylesheet" href="([^"]+)"', page)[0]
        assert (await read(session, style))[0] == 200


async def test_each_token_has_its_role_and_the_audit_tells_which_it_was(client, redis_url):
    await create_groups(client, GROUP)
    await store_letters(client, letter("wh_1"))
    async with serving(redis_url, **SETTINGS) as session:
        viewer, operator = await cookie(session, VIEWER), await cookie(session, OPERATOR)
        assert "viewer token 1" in (await read(session, "/", **viewer))[1]
        form = {"verb": "discard", "group": GROUP, "counted": "1"}
        for headers, status in ((viewer, 403), (operator, 303)):
            async with session.post("/run", data=form, headers=OWN | headers, allow_redirects=False) as response:
                assert response.status == status
    assert {entry.who for entry in await audit.fetch(client, 10)} == {"operator token 1"}


async def test_the_cookie_is_for_this_host_alone_and_for_no_script(client, redis_url):
    await create_groups(client, GROUP)
    async with serving(redis_url, **SETTINGS, console_trusted_proxies=("127.0.0.1",)) as session:
        for headers, name in (({}, "hookbus"), (HTTPS, "__Host-hookbus")):
            response = await log_in(session, VIEWER, **headers)
            morsel = response.cookies[name]
            assert (morsel["httponly"], morsel["samesite"], morsel["path"]) == (True, "Strict", "/")
            assert bool(morsel["secure"]) is (name == "__Host-hookbus")
            assert morsel["domain"] == ""
            assert 0 < int(morsel["max-age"]) <= sessions.SESSION_S
        assert list((await log_in(session, VIEWER, **{"X-Forwarded-Proto": "http"})).cookies) == ["hookbus"]


async def test_a_cookie_got_over_http_is_none_over_https(client, redis_url):
    await create_groups(client, GROUP)
    async with serving(redis_url, **SETTINGS, console_trusted_proxies=("127.0.0.1",)) as session:
        headers = await cookie(session, VIEWER)
        assert (await read(session, "/", **headers))[0] == 200
        assert (await read(session, "/", **headers, **HTTPS))[0] == 401


@pytest.mark.parametrize(
    ("to", "there"),
    [
        ("/dead?type=a", "/dead?type=a"),
        ("", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/a\\b", "/"),
        ("https://evil.example/", "/"),
        ("/a\r\nSet-Cookie: a=b", "/"),
        ("/\t/evil.example", "/"),
        ("/login", "/"),
        ("/logout", "/"),
    ],
)
def test_after_the_form_comes_the_page_that_was_asked_for_and_none_elsewhere(to, there):
    assert login._here(to) == there


async def test_after_ten_wrong_tokens_in_a_minute_not_even_a_right_one_counts(client, redis_url, monkeypatch):
    await create_groups(client, GROUP)
    async with serving(redis_url, **SETTINGS, console_trusted_proxies=("127.0.0.1",)) as session:
        headers = await cookie(session, VIEWER)
        for _ in range(guesses.MOST):
            assert (await log_in(session, "wrong" * 9)).status == 401
        response = await log_in(session, VIEWER)
        assert response.status == 429
        assert 0 < int(response.headers["Retry-After"]) <= guesses.WINDOW_S
        assert (await log_in(session, VIEWER, **{"X-Forwarded-For": "203.0.113.9"})).status == 303
        session.cookie_jar.clear()
        assert (await read(session, "/", **headers))[0] == 200
        monkeypatch.setattr(guesses, "WINDOW_S", 0.0)
        assert (await log_in(session, VIEWER)).status == 303


async def test_the_form_must_come_from_a_page_of_ours_and_be_one(client, redis_url):
    await create_groups(client, GROUP)
    async with serving(redis_url, **SETTINGS) as session:
        for headers, form, status in (
            ({"Sec-Fetch-Site": "cross-site"}, {"token": VIEWER}, 403),
            (OWN, {"token": "x" * 70_000}, 413),
            (OWN, {}, 401),
        ):
            async with session.post("/login", data=form, headers=headers) as response:
                assert response.status == status
                assert "Set-Cookie" not in response.headers


async def test_a_session_is_stretched_by_pages_that_are_opened_and_not_by_those_that_refresh(
    client, redis_url, monkeypatch
):
    await create_groups(client, GROUP)
    monkeypatch.setattr(sessions, "RENEW_S", 0)
    async with serving(redis_url, **SETTINGS) as session:
        headers = await cookie(session, VIEWER)
        for path, is_stretched in (("/", True), ("/part/", False)):
            async with session.get(path, headers=headers) as response:
                assert response.status == 200
                assert ("hookbus" in response.cookies) is is_stretched
            session.cookie_jar.clear()


async def test_whoever_logs_out_has_no_cookie_and_a_withdrawn_token_no_session(
    client, redis_url, monkeypatch, tmp_path
):
    await create_groups(client, GROUP)
    file = tmp_path / "viewers"
    file.write_text(VIEWER)
    tokens = {"viewer": (f"file:{file}",), "operator": (OPERATOR,)}
    async with serving(redis_url, **SETTINGS | {"console_tokens": tokens}) as session:
        headers = await cookie(session, VIEWER)
        async with session.post("/logout", headers=OWN | headers, allow_redirects=False) as response:
            assert response.status == 303
            assert response.cookies["hookbus"]["max-age"] == "0"
        monkeypatch.setattr(keyring, "READ_S", 0)
        assert (await read(session, "/", **headers))[0] == 200
        file.write_text("w" * 32)
        assert (await read(session, "/", **headers))[0] == 401


async def test_a_link_of_another_site_brings_no_cookie_so_the_page_offers_to_go_on(client, redis_url):
    await create_groups(client, GROUP)
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    async with serving(redis_url, **SETTINGS) as session:
        assert '<a href="/event?id=wh_1">Go on</a>' in (await read(session, "/event?id=wh_1", **link))[1]
        assert "Go on" not in (await read(session, "/event?id=wh_1"))[1]
