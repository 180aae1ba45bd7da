"""Whoever has a token logs in and out in a real browser, and sees who they are."""

import json

import pytest

from tests.console.browser import browser, console, sizes
from tests.worker.builders import GROUP
from tests.worker.dead_letters import create_groups

pytestmark = pytest.mark.needs("chromium")
TOKEN = "t" * 32


async def test_a_token_opens_the_page_that_was_asked_for_and_a_wrong_one_asks_again(client, redis_url):
    await create_groups(client, GROUP)
    tokens = {
        "HOOKBUS_WORKER_CONSOLE_AUTH": "token",
        "HOOKBUS_WORKER_CONSOLE_TOKENS": json.dumps({"operator": [TOKEN]}),
    }
    async with console(redis_url, "--role", "operator", **tokens) as url, browser(url) as page:
        for width, height in sizes():
            await page.set_viewport_size({"width": width, "height": height})
            await page.goto("/dead?type=a")
            assert await page.evaluate("document.documentElement.scrollWidth") == width
        await page.keyboard.type("wrong")
        await page.keyboard.press("Enter")
        await page.get_by_role("alert").filter(has_text="no token of this console").wait_for()
        await page.keyboard.type(TOKEN)
        await page.keyboard.press("Enter")
        await page.get_by_text("operator token 1").wait_for()
        assert page.url == f"{url}/dead?type=a"
        assert await page.evaluate("document.cookie") == ""
        (cookie,) = await page.context.cookies()
        assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("hookbus", True, "Strict")
        await page.get_by_role("button", name="Log out").click()
        await page.get_by_label("Your token").wait_for()
        assert await page.context.cookies() == []
