"""Whatever senders and handlers put into a page is text: nothing runs, nothing is loaded, nothing leaves."""

import pytest

from hookbus.worker.console.routes import ROUTES
from hookbus.worker.inventory.suspensions import KEY, Held, Opened, encode, field
from hookbus.worker.pipeline.dead_letter import DeadLetterRecord
from tests.console.browser import browser, console
from tests.console.hostile import CORPUS, LONG
from tests.worker.builders import GROUP, KEYS, join, store
from tests.worker.dead_letters import DEAD_MS, create_groups, letter, store_letters

pytestmark = pytest.mark.needs("chromium")
PATHS = [route.path.pattern for route in ROUTES if route.method == "GET" and "(" not in route.path.pattern]


def letters() -> list[DeadLetterRecord]:
    """Letters with a hostile text in each field that takes any."""
    texts = (*CORPUS, LONG)
    return [
        letter(f"wh_{i}", dead_lettered_at_ms=DEAD_MS + i, error_class=text, message=text, frame=text, traceback=text)
        for i, text in enumerate(texts)
    ]


async def test_no_page_runs_or_loads_what_it_shows(client, redis_url):
    await create_groups(client, GROUP)
    await join(client)
    await store(client, "wh_1")
    await store_letters(client, *letters())
    for i, text in enumerate(CORPUS):
        await client.execute_command("HSET", KEY, field(GROUP, f"a{i}"), encode(Opened("f", text, 1, 2)))
        await client.execute_command("HSET", KEY, field(GROUP, f"b{i}"), encode(Held(text, 1, 2**42)))
        await client.execute_command("HSET", KEYS.consumers(GROUP), f"{text}.1.ab", "{}")
    async with console(redis_url) as url, browser(url) as page:
        for path in (*PATHS, "/?q=%3Cscript%3E", "/%3Cscript%3Ealert(1)%3C/script%3E"):
            answer = await page.goto(path)
            if answer is not None and answer.status == 404:
                assert "There is no such page" in await page.content()
            assert await page.evaluate("document.scripts.length") == 1, path
            assert await page.evaluate("document.querySelectorAll('[onerror], [onload], img, iframe').length") == 0
            await page.wait_for_timeout(100)
        await page.goto("/")
        text = await page.locator("main").inner_text()
        assert "<script>alert(1)</script>" in text
        assert "{{7*7}}" in text
