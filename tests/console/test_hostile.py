"""Whatever senders, handlers and processes put into a page is text: nothing runs, is loaded, or leaves."""

import itertools
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import pytest

from hookbus.worker import audit
from hookbus.worker.console.draw import path as quoted
from hookbus.worker.console.draw import visible
from hookbus.worker.console.verbs import VERBS
from tests.console import hostile_bus, visited
from tests.console.browser import browser, console
from tests.console.hostile import CORPUS
from tests.console.test_actions import OPERATOR
from tests.console.test_sending import sending
from tests.programs import free_port
from tests.worker.builders import GROUP, TYPE

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.slow, pytest.mark.timeout(240)]
LETTERS = [*map(hostile_bus.name_of, CORPUS), "wh_deep", "wh_line", "wh_surrogate"]
FORM: Final = {"verb": "redrive", "group": GROUP, "counted": "0", "pattern": "*", "type": TYPE}
SOME: Final = 2
SURROGATE: Final = "%ED%A0%80"
POST: Final = """([url, fields]) => {
    const form = Object.assign(document.createElement('form'), {method: 'post', action: url});
    for (const [name, value] of Object.entries(fields))
        form.append(Object.assign(document.createElement('input'), {type: 'hidden', name, value}));
    document.body.append(form); HTMLFormElement.prototype.submit.call(form);
}"""


_texts = itertools.cycle(CORPUS)


def some() -> list[str]:
    """Texts of the corpus, the next ones each time: all of them for each field would take minutes."""
    return list(itertools.islice(_texts, SOME))


async def check(page: "Page", path: str) -> str:
    """Nothing of what a page shows is there as markup. Returns its text."""
    assert await page.evaluate("document.scripts.length") == 1, path
    assert await page.evaluate("document.querySelectorAll('[onerror], [onload], img, iframe').length") == 0, path
    return await page.locator("main").inner_text()


async def visit(page: "Page", path: str) -> str:
    """The text of a page; none of a download, which no browser shows."""
    from playwright.async_api import Error

    is_page = True
    async with page.expect_event("response", lambda each: each.request.is_navigation_request()) as answer:
        try:
            await page.goto(path)
        except Error:
            is_page = False
    response = await answer.value
    assert response.status < 500, path
    if is_page:
        return await check(page, path)
    assert response.headers["content-type"] == "application/octet-stream", path
    assert response.headers["content-disposition"].isascii(), path
    return ""


@pytest.fixture
async def bus(client, redis_url) -> dict[str, str]:
    """An example of each named part of a path, in a Redis full of hostile texts."""
    await hostile_bus.fill(client)
    (entry, *_) = await audit.fetch(client, 1)
    return {"group": GROUP, "name": quoted(LETTERS[0]), "id": entry.id}


async def test_no_page_runs_or_loads_what_it_shows_and_shows_each_text_of_each_field(
    client, redis_url, bus, monkeypatch
):
    read = await visited.names(redis_url, bus, FORM, monkeypatch)
    plain = [path for method, path in read if method == "GET"]
    records = [entry.id for entry in await audit.fetch(client, 2 * len(CORPUS))]
    named = [path for name in LETTERS for path in visited.paths(bus | {"name": quoted(name)}, "GET")]
    named += [f"/groups/gone{i}" for i in range(len(CORPUS))]
    named += [path for record in records for path in visited.paths(bus | {"id": record}, "GET")]
    addresses = [(path, name) for (method, path), names in read.items() for name in sorted(names) if method == "GET"]
    asked = [f"{path}?{name}={SURROGATE}" for path, name in addresses]
    asked += [f"{path}?{name}={quote(text, safe='')}" for path, name in addresses for text in some()]
    async with console(redis_url, *OPERATOR) as url, browser(url) as page:
        found = [f"/event?id={quote(hostile_bus.text_of('stored webhook-id', text), safe='')}" for text in CORPUS]
        paths = [*plain, *named, *found, *asked, "/%3Cscript%3Ealert(1)%3C/script%3E", f"/{SURROGATE}"]
        shown = "\n".join([await visit(page, path) for path in dict.fromkeys(paths)])
    missing = [text for text in hostile_bus.shown() if visible(text) not in shown]
    assert missing == [], "\n".join(missing)


@pytest.mark.parametrize("verb", VERBS)
async def test_no_answer_to_a_form_does_either(redis_url, bus, monkeypatch, verb):
    given = FORM | {"verb": verb}
    forms = await visited.form_fields(redis_url, bus, given, monkeypatch)
    assert ("/events/send", "why") in forms
    nobody = sending(f"http://127.0.0.1:{free_port()}/")
    async with console(redis_url, *OPERATOR, **nobody) as url, browser(url) as page:
        await page.goto("/health")
        for (path, name), text in zip(forms, itertools.cycle(CORPUS), strict=False):
            async with page.expect_navigation():
                await page.evaluate(POST, [path, given | {name: text, text: text}])
            await check(page, f"{path} {name} {text}")
