"""Whatever senders and handlers put into a page is text: nothing runs, nothing is loaded, nothing leaves."""

import json
from urllib.parse import quote

import pytest

from hookbus.shared.entry import Failure
from hookbus.worker import audit
from hookbus.worker.audit import Action
from hookbus.worker.console.routes import ROUTES
from hookbus.worker.inventory.suspensions import KEY, Held, Opened, encode, field
from hookbus.worker.pipeline.dead_letter import DeadLetterRecord
from tests.console.browser import browser, console
from tests.console.hostile import CORPUS, DEEP, LONG
from tests.worker.builders import GROUP, KEYS, join, store
from tests.worker.dead_letters import DEAD_MS, create_groups, letter, store_letters
from tests.worker.parked import park

pytestmark = pytest.mark.needs("chromium")
PATHS = [route.path.pattern for route in ROUTES if "(" not in route.path.pattern]
QUERIES = (
    "/event?id=",
    "/dead?group=",
    "/dead?type=",
    "/dead?fingerprint=",
    "/actions?before=",
    "/retries?error=",
    "/retries?after=",
    "/?q=",
    "/dead/billing/",
)


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


async def test_no_page_runs_or_loads_what_it_shows(client, redis_url):
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
    async with console(redis_url) as url, browser(url) as page:
        named = [f"/dead/billing/wh_{i}" for i in range(len(CORPUS) + 1)]
        asked = [query + quote(text, safe="") for query in QUERIES for text in CORPUS]
        for path in (*PATHS, *named, "/groups/billing", *asked, "/%3Cscript%3Ealert(1)%3C/script%3E"):
            await page.goto(path)
            assert await page.evaluate("document.scripts.length") == 1, path
            assert await page.evaluate("document.querySelectorAll('[onerror], [onload], img, iframe').length") == 0
        await page.goto("/")
        text = await page.locator("main").inner_text()
        assert "<script>alert(1)</script>" in text
        assert "{{7*7}}" in text
