"""Pages of others, in a real browser: none makes the console change anything; none frames it."""

import contextlib
import itertools
import json
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web

from hookbus.worker import audit
from hookbus.worker.audit import Action
from hookbus.worker.console.routes import ROUTES
from hookbus.worker.console.sending import fresh_id
from tests import tools
from tests.console.browser import console
from tests.console.test_actions import OPERATOR
from tests.console.test_sending import sending
from tests.worker.builders import GROUP, TYPE, join, store
from tests.worker.console.receiving import receiving
from tests.worker.console.test_app import dumps
from tests.worker.dead_letters import create_groups, letter, store_letters

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.needs("chromium")
NAME = "console.example.com"
"""Of the console on plain http: browsers send no Sec-Fetch-Site there."""
RULES = f"MAP {NAME} 127.0.0.1, MAP evil.example 127.0.0.1"
FORM = {"verb": "discard", "group": GROUP, "counted": "1", "until_ms": "9" * 13, "pattern": "*", "confirmed": "1"}
FORM |= {"type": TYPE, "id": fresh_id()}
BY_FETCH = """([url, form]) => fetch(url, {method: 'POST', mode: 'no-cors', credentials: 'include',
    body: new URLSearchParams(form)}).then(() => 'answered', () => 'blocked')"""
BY_FORM = """([url, form]) => {
    const frame = Object.assign(document.createElement('iframe'), {name: `there${Math.random()}`});
    document.body.append(frame);
    const made = Object.assign(document.createElement('form'), {method: 'post', action: url, target: frame.name});
    for (const [name, value] of Object.entries(form))
        made.append(Object.assign(document.createElement('input'), {name, value}));
    document.body.append(made); made.submit();
}"""
BY_IMAGE = """(url) => new Promise((end) => {
    const made = new Image(); made.onload = () => end('shown'); made.onerror = () => end('refused'); made.src = url;
})"""
FRAME = "<!doctype html><title>evil</title><iframe></iframe>"


@contextlib.asynccontextmanager
async def others() -> AsyncIterator[int]:
    """The port of a server with a page of others; that at /quiet makes browsers send `Origin: null`."""

    async def answer(request: web.BaseRequest) -> web.Response:
        policy = "no-referrer" if request.path == "/quiet" else "unsafe-url"
        return web.Response(text=FRAME, content_type="text/html", headers={"Referrer-Policy": policy})

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def tab() -> AsyncIterator["Page"]:
    """A page whose browser finds the names of this test on this machine."""
    path = tools.need("chromium")
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        arguments = ["--no-sandbox", f"--host-resolver-rules={RULES}"]
        started = await playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield await started.new_page()
        finally:
            await started.close()


def posts(job: str) -> list[str]:
    """A path of each form."""
    examples = {"id": job, "group": GROUP}
    patterns = [route.path.pattern for route in ROUTES if route.method == "POST"]
    return [re.sub(r"\(\?P<(\w+)>.*?\)", lambda match: examples[match[1]], pattern) for pattern in patterns]


async def test_no_page_of_another_origin_posts_a_form_or_frames(client, redis_url):
    await create_groups(client, GROUP)
    await join(client)
    await store(client, "wh_1")
    await store_letters(client, letter("wh_dead"))
    job = await audit.begin(client, Action(verb="pause", who="ann@host"))
    before = await dumps(client)
    hosts = json.dumps([NAME])
    async with (
        receiving() as receiver,
        console(redis_url, *OPERATOR, HOOKBUS_WORKER_CONSOLE_HOSTS=hosts, **sending(receiver.url)) as url,
        others() as port,
        tab() as page,
    ):
        answers: list[tuple[str, str, int]] = []
        consoles = [url, f"http://{NAME}:{url.rpartition(':')[2]}"]
        page.on("response", lambda each: answers.append((each.request.method, each.url, each.status)))
        for host, path, there in itertools.product(("evil.example", "127.0.0.1", NAME), ("", "quiet"), consoles):
            await page.goto(f"http://{host}:{port}/{path}")
            for form in posts(job):
                target = [f"{there}{form}", FORM]
                await page.evaluate(BY_FETCH, target)
                async with page.expect_event("response", lambda each: each.request.method == "POST"):
                    await page.evaluate(BY_FORM, target)
                assert await page.evaluate(BY_IMAGE, target[0]) == "refused"
        by_form = [status for method, _, status in answers if method == "POST"]
        assert len(by_form) >= 3 * 2 * 2 * len(posts(job))
        assert set(by_form) == {403}
        assert await dumps(client) == before
        assert receiver.posts == []
        await page.goto(f"http://evil.example:{port}/")
        answers.clear()
        async with page.expect_event("response", lambda each: each.url == f"{url}/"):
            await page.evaluate("(url) => { document.querySelector('iframe').src = url; }", f"{url}/")
        assert answers[-1][2] == 403


async def test_under_a_name_on_plain_http_a_form_of_the_console_itself_works_and_a_strange_name_does_not(
    client, redis_url
):
    await create_groups(client, GROUP)
    await join(client)
    await store_letters(client, letter("wh_dead"))
    hosts = json.dumps([NAME])
    async with (
        console(redis_url, "--role", "operator", HOOKBUS_WORKER_CONSOLE_HOSTS=hosts) as url,
        tab() as page,
        aiohttp.ClientSession() as session,
    ):
        port = url.rpartition(":")[2]
        for host, status in ((f"evil.example:{port}", 421), (f"127.0.0.1.evil.com:{port}", 421)):
            async with session.get(f"{url}/", headers={"Host": host}) as response:
                assert response.status == status
        answer = await page.goto(f"http://evil.example:{port}/")
        assert answer is not None
        assert answer.status == 421
        await page.goto(f"http://{NAME}:{port}/dead/{GROUP}/wh_dead")
        await page.get_by_role("button", name="Discard…").click()
        await page.get_by_role("button", name="Discard 1").click()
        await page.wait_for_url("**/jobs/*")
    assert (await audit.fetch(client, 1))[0].result == "done"
