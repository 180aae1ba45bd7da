"""Who gets in, and as whom: by each way to ask, viewers and operators side by side."""

import re

import aiohttp
import pytest

from hookbus.shared.listen import Listen
from hookbus.shared.settings import ConfigError
from hookbus.worker import audit
from hookbus.worker.console import doors
from hookbus.worker.console.templates import Templates
from hookbus.worker.settings import WorkerSettings
from tests.worker.builders import GROUP
from tests.worker.console.serving import read, serving
from tests.worker.dead_letters import create_groups, letter, store_letters

OWN = {"Sec-Fetch-Site": "same-origin"}
GROUPS = {"viewer": ("staff",), "operator": ("bus-admins",)}
NAMED = {"console_auth": "header", "console_groups": GROUPS, "console_trusted_proxies": ("127.0.0.1",)}
ANN = {"X-Forwarded-User": "ann@example.com", "X-Forwarded-Groups": "staff"}
BOB = {"X-Forwarded-User": "bob@example.com", "X-Forwarded-Groups": "staff,bus-admins"}
ANYWHERE = Listen("0.0.0.0", 9467)
TOKEN = "t" * 32


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"console_listen": ANYWHERE}, "can be reached from other machines"),
        ({"console_listen": ANYWHERE, "console_auth": "token"}, "console_tokens: none"),
        ({"console_listen": ANYWHERE, "console_auth": "header"}, "console_trusted_proxies: none"),
        (NAMED | {"console_groups": {"admin": ("a",)}}, "'admin' is no role"),
        (NAMED | {"console_trusted_proxies": ("proxy",)}, "console_trusted_proxies: 'proxy'"),
        (NAMED | {"console_trusted_proxies": ("0.0.0.0/0",)}, "trusts everybody"),
    ],
)
def test_without_a_door_that_asks_it_does_not_start(settings, problem):
    with pytest.raises(ConfigError, match=problem):
        doors.door(WorkerSettings(**settings), Templates({}))


def test_with_a_door_that_asks_it_may_be_reached_from_other_machines():
    for settings in (NAMED, {"console_auth": "token", "console_tokens": {"viewer": (TOKEN,)}}):
        doors.door(WorkerSettings(console_listen=ANYWHERE, **settings), Templates({}))


@pytest.mark.parametrize(
    ("settings", "lets_in"),
    [
        ({}, False),
        ({"console_role": "operator"}, True),
        ({"console_auth": "token", "console_tokens": {"viewer": (TOKEN,)}, "console_role": "operator"}, False),
        ({"console_auth": "token", "console_tokens": {"operator": (TOKEN,)}}, True),
        ({"console_auth": "header", "console_groups": {"viewer": ("a",)}, "console_role": "operator"}, False),
        ({"console_auth": "header", "console_groups": GROUPS}, True),
        ({"console_auth": "header", "console_role": "operator"}, True),
    ],
)
def test_whether_anybody_could_be_an_operator_is_known_at_the_start(settings, lets_in):
    assert doors.lets_operators_in(WorkerSettings(**settings)) is lets_in


async def test_the_proxy_names_viewers_and_operators_side_by_side_and_the_audit_has_their_names(client, redis_url):
    await create_groups(client, GROUP)
    await store_letters(client, letter("wh_1"))
    async with serving(redis_url, **NAMED) as session:
        _, page = await read(session, "/dead/billing/wh_1", **ANN)
        assert "ann@example.com" in page
        assert "<form" not in page.partition("<main")[2]
        assert await posted(session, "/run", verb="discard", group=GROUP, **ANN) == 403
        _, page = await read(session, "/dead/billing/wh_1", **BOB)
        assert 'action="/plan"' in page
        assert await posted(session, "/run", verb="discard", group=GROUP, counted="1", **BOB) == 303
    entries = [(entry.who, entry.role, entry.via) for entry in await audit.fetch(client, 10)]
    assert set(entries) == {("bob@example.com", "operator", "console")}


async def posted(session: aiohttp.ClientSession, path: str, **given: str) -> int:
    """The code of a form."""
    headers = {name: text for name, text in given.items() if name.startswith("X-")}
    form = {name: text for name, text in given.items() if not name.startswith("X-")}
    async with session.post(path, data=form, headers=OWN | headers, allow_redirects=False) as response:
        return response.status


async def test_headers_of_anybody_but_the_proxy_name_nobody(client, redis_url):
    await create_groups(client, GROUP)
    async with serving(redis_url, **NAMED | {"console_trusted_proxies": ("127.0.0.2",)}) as session:
        assert (await read(session, "/", **BOB))[0] == 403
        assert await posted(session, "/plan", verb="redrive", **BOB) == 403
        assert (await read(session, "/healthz"))[0] == 200
    async with serving(redis_url, **NAMED) as session:
        for headers in ({}, {"X-Forwarded-User": "eve"}, {"X-Forwarded-Groups": "bus-admins"}):
            for path in ("/", "/part/", "/dead", "/nothing"):
                assert (await read(session, path, **headers))[0] == 403
        assert (await read(session, "/", **ANN))[0] == 200


@pytest.mark.parametrize(("bodies", "seeing"), [("all", {"ann", "bob"}), ("operator", {"bob"}), ("none", set())])
async def test_bodies_tracebacks_and_downloads_are_for_those_whom_the_settings_name(client, redis_url, bodies, seeing):
    await create_groups(client, GROUP)
    secret = letter("wh_1", body=b'{"phone": "555-0100"}', traceback='  File "a.py"\nKeyError: 555-0100')
    await store_letters(client, secret)
    async with serving(redis_url, **NAMED, console_bodies=bodies) as session:
        for name, headers in (("ann", ANN), ("bob", BOB)):
            status, page = await read(session, "/dead/billing/wh_1", **headers)
            assert status == 200
            assert ("555-0100" in page) is (name in seeing)
            assert bool(re.search(r'href="[^"]*/body"', page)) is (name in seeing)
            code, body = await read(session, "/dead/billing/wh_1/body", **headers)
            assert code == (200 if name in seeing else 403)
            assert ("555-0100" in body) is (name in seeing)
            assert "555-0100" not in (await read(session, "/dead", **headers))[1]
