"""Whatever senders and handlers put into a page is text: nothing runs, nothing is loaded, nothing leaves."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import pytest

from hookbus.shared.entry import Failure
from hookbus.worker import audit
from hookbus.worker.audit import Action
from hookbus.worker.console.draw import visible
from hookbus.worker.console.routes import ROUTES
from hookbus.worker.inventory.suspensions import KEY, Held, Opened, encode, field
from hookbus.worker.pipeline.dead_letter import DeadLetterRecord
from tests.console.browser import browser, console
from tests.console.hostile import CORPUS, DEEP, LONG
from tests.worker.builders import GROUP, KEYS, join, store
from tests.worker.dead_letters import DEAD_MS, create_groups, letter, store_letters
from tests.worker.parked import park

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.needs("chromium")
PAGES = (route.path.pattern for route in ROUTES if route.method == "GET" and route.path.pattern != "/export")
PATHS = [path for path in PAGES if "(" not in path]
QUERIES = (
    "/event?id=",
    "/dead?group=",
    "/dead?type=",
    "/dead?fingerprint=",
    "/dead?reason=",
    "/dead?id=",
    "/dead?until_ms=",
    "/actions?before=",
    "/retries?error=",
    "/retries?after=",
    "/?q=",
    "/dead/billing/",
)
FORM: Final = {"verb": "redrive", "group": GROUP, "counted": "0"}
POST: Final = """([url, fields]) => {
    const form = Object.assign(document.createElement('form'), {method: 'post', action: url});
    for (const [name, value] of Object.entries(fields))
        form.append(Object.assign(document.createElement('input'), {type: 'hidden', name, value}));
    document.body.append(form); form.submit();
}"""


def forms() -> Iterator[tuple[str, dict[str, str]]]:
    """A path and the fields of each form, with a hostile text in each field."""
    for text in CORPUS:
        numbers = {"why": text, "rate": text, "typed": text, "counted": text}
        filters = {"reason": text, "fingerprint": text, "type": text}
        for fields in (numbers, filters, {"id": text}, {"verb": text, text: text}, {"group": text, "until_ms": text}):
            yield "/plan", FORM | fields
        yield "/plan", FORM | {"verb": "now", "error": text, "id": text}
        yield "/run", FORM | numbers
    yield f"/jobs/{'9' * 13}-0/stop", {}


def letters() -> list[DeadLetterRecord]:
    """Letters with a hostile text in each field that takes any."""
    texts = (*CORPUS, LONG)
    return [
        letter(
            f"wh_{i}",
            dead_lettered_at_ms=DEAD_MS + i,
            error_class=text,
            message=text,
            frame=text,
            traceback=text,
            source=text,
            traceparent=text,
            body=DEEP if text == LONG else json.dumps({text: text}).encode(),
            history=(Failure(1, DEAD_MS, 1, text, text),),
        )
        for i, text in enumerate(texts)
    ]


async def check(page: "Page", path: str) -> None:
    """Nothing of what it shows is there as markup."""
    assert await page.evaluate("document.scripts.length") == 1, path
    assert await page.evaluate("document.querySelectorAll('[onerror], [onload], img, iframe').length") == 0


@pytest.fixture
async def bus(client, redis_url) -> str:
    """A Redis with hostile texts wherever others can put any."""
    await create_groups(client, GROUP)
    await join(client)
    await store(client, "wh_1")
    await store_letters(client, *letters())
    for i, text in enumerate(CORPUS):
        await client.execute_command("HSET", KEY, field(GROUP, f"a{i}"), encode(Opened("f", text, 1, 2)))
        await client.execute_command("HSET", KEY, field(GROUP, f"b{i}"), encode(Held(text, 1, 2**42)))
        await client.execute_command("HSET", KEYS.consumers(GROUP), f"{text}.1.ab", "{}")
        await park(client, f"wh_parked{i}", group=GROUP, error=text)
        await audit.begin(client, Action(verb=text, who=text, why=text, criteria={text: [text]}))
    return redis_url


async def test_no_page_runs_or_loads_what_it_shows(bus):
    async with console(bus, "--role", "operator") as url, browser(url) as page:
        named = [f"/dead/billing/wh_{i}" for i in range(len(CORPUS) + 1)]
        asked = [query + quote(text, safe="") for query in QUERIES for text in CORPUS]
        for path in (*PATHS, *named, "/groups/billing", *asked, "/%3Cscript%3Ealert(1)%3C/script%3E"):
            await page.goto(path)
            await check(page, path)
        for path in ("/retries", "/actions"):
            await page.goto(path)
            shown = await page.locator("main").inner_text()
            assert [text for text in CORPUS if visible(text) not in shown] == [], path
        for path, text in zip(named, CORPUS, strict=False):
            await page.goto(path)
            assert (await page.locator("main").inner_text()).count(visible(text)) >= 3, path


async def test_no_answer_to_a_form_does_either(bus):
    async with console(bus, "--role", "operator") as url, browser(url) as page:
        await page.goto("/health")
        for path, fields in forms():
            async with page.expect_navigation():
                await page.evaluate(POST, [path, fields])
            await check(page, f"{path} {fields}")
