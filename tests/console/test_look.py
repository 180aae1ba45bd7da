"""A console without trouble: what a browser sees, at all sizes and in both themes."""

import pytest

from tests.console.browser import browser, console, sizes
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, TYPE, join, store
from tests.worker.dead_letters import create_groups, letter, store_letters

pytestmark = pytest.mark.needs("chromium")
PATHS = (
    "/",
    "/dead",
    "/dead/billing/wh_dead",
    "/event?id=wh_1",
    "/groups/billing",
    "/retries",
    "/processes",
    "/actions",
    "/health",
)


async def test_the_pages_fit_phone_tablet_and_desktop_in_both_themes(client, redis_url):
    await create_groups(client, GROUP)
    await join(client)
    await store(client, "wh_1")
    await store_letters(client, letter("wh_dead", message="x" * 300, frame="/srv/" + "very_long/" * 20))
    async with console(redis_url) as url, browser(url) as page:
        for theme in ("light", "dark"):
            await page.emulate_media(color_scheme=theme)
            for width, height in sizes():
                await page.set_viewport_size({"width": width, "height": height})
                for path in PATHS:
                    await page.goto(path)
                    assert await page.evaluate("document.documentElement.scrollWidth") == width, (path, width)
                    assert await page.evaluate("document.scripts.length") == 1


NOTHING_KEPT = "Object.defineProperty(window, 'localStorage', {get: () => { throw new Error('refused') }})"


async def test_the_page_follows_the_bus_without_a_reload_and_disturbs_nobody_though_the_browser_keeps_nothing(
    client, redis_url
):
    await create_groups(client, GROUP)
    await join(client)
    await store(client, "wh_1")
    async with console(redis_url) as url, browser(url, viewport={"width": 1000, "height": 400}) as page:
        await page.add_init_script(NOTHING_KEPT)
        await page.goto("/")
        await page.locator("#theme").click()
        assert await page.evaluate("document.documentElement.dataset.theme") == "dark"
        await page.evaluate("scrollTo(0, 200)")
        heading = page.get_by_role("heading", name="Groups × event types")
        await heading.evaluate("node => getSelection().selectAllChildren(node)")
        await page.locator("#theme").focus()
        before = await page.evaluate("document.querySelector('main').dataset.version")
        await store(client, "wh_2", "wh_3")
        backlog = page.locator(".figure", has_text="Backlog").locator("dd")
        await until(lambda: _text_is(backlog, "3"))
        await until(lambda: _version(page, int(before) + 5))
        assert await page.evaluate("getSelection().toString()") == "Groups × event types"
        assert await page.evaluate("document.activeElement.id") == "theme"
        assert await page.evaluate("scrollY") == 200


async def _text_is(locator, text):
    return (await locator.inner_text()).strip() == text


async def _version(page, least):
    return int(await page.evaluate("document.querySelector('main').dataset.version")) >= least


async def test_an_event_is_found_from_any_page_by_the_keyboard_alone(client, redis_url):
    await create_groups(client, GROUP, "audit", "other")
    for group in (GROUP, "audit"):
        await client.execute_command("HSET", KEYS.patterns, group, TYPE)
        await join(client, group=group)
    await client.execute_command("HSET", KEYS.patterns, "other", "batch.completed")
    [entry_id] = await store(client, "wh_7")
    for group in (GROUP, "audit"):
        stream = KEYS.stream(TYPE)
        await client.execute_command("XREADGROUP", "GROUP", group, "c", "COUNT", 1, "STREAMS", stream, ">")
        await client.execute_command("XACK", stream, group, entry_id)
    await store_letters(client, letter("wh_7", received_at_ms=int(entry_id.partition(b"-")[0])))
    async with console(redis_url) as url, browser(url) as page:
        await page.goto("/health")
        await page.keyboard.press("/")
        await page.keyboard.type("wh_7")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/event?id=wh_7")
        rows = [(await row.inner_text()).split("\n") for row in await page.locator(".life li").all()]
        states = {name: text for _, name, text, *_ in rows}
        assert states["ingest"].startswith("stored ")
        assert states[GROUP].startswith("dead for ")
        assert (states["audit"], states["other"]) == ("handled", "not subscribed")
        await page.get_by_role("link", name="Letter", exact=True).click()
        await page.wait_for_url("**/dead/billing/wh_7")


async def test_a_hidden_tab_asks_nothing(client, redis_url):
    await create_groups(client, GROUP)
    async with console(redis_url) as url, browser(url) as page:
        await page.goto("/")
        await page.evaluate("Object.defineProperty(document, 'hidden', {get: () => true})")
        requests = []
        page.on("request", lambda request: requests.append(request.url))
        await page.wait_for_timeout(5000)  # two intervals and more: what must not happen can't be waited for
        assert requests == []


async def test_without_scripts_every_page_works(client, redis_url):
    await create_groups(client, GROUP)
    async with console(redis_url) as url, browser(url, java_script_enabled=False) as page:
        await page.goto("/")
        assert await page.locator("h2", has_text="Groups × event types").is_visible()
        await page.get_by_role("link", name="Health").click()
        assert await page.locator("h1").inner_text() == "Health"
