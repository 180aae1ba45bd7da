"""A group is forgotten in a browser without scripts: from its page by its plan to the page that says who did it."""

import pytest

from tests.console.browser import browser, console
from tests.wait import until
from tests.worker.builders import GROUP
from tests.worker.dead_letters import create_groups, letter, store_letters
from tests.worker.groups.test_forget import traces

pytestmark = pytest.mark.needs("chromium")


async def test_a_group_is_forgotten_without_scripts(client, redis_url):
    await create_groups(client, GROUP)
    await store_letters(client, *(letter(f"wh_{i}") for i in range(101)))
    async with console(redis_url, "--role", "operator") as url, browser(url, java_script_enabled=False) as page:
        await page.goto(f"/groups/{GROUP}")
        await page.get_by_role("button", name="Forget…").click()
        await page.get_by_label("Why, for the record").fill("INC-7")
        await page.get_by_label("Type 101 to confirm").fill("101")
        await page.get_by_role("button", name=f"Forget {GROUP}").click()
        await page.wait_for_url("**/jobs/*")
        place = page.url
        await until(lambda: _reads(page, place, "forget: done"))
        await page.get_by_role("link", name=GROUP).click()
        await until(lambda: _reads(page, f"/groups/{GROUP}", f"No group {GROUP}"))
        told = await page.get_by_role("region", name="What became of it").inner_text()
    assert "Forgotten by console@" in told
    assert "INC-7, with 101 deliveries and dead letters" in told
    assert await traces(client) == []
    assert await client.execute_command("ACL", "LOG") == []


async def _reads(page, place, heading):
    await page.goto(place)
    return await page.get_by_role("heading", level=1).inner_text() == heading
