"""A console without trouble: what a browser sees while it looks."""

import pytest

from tests.console.browser import browser, console, with_and_without_scripts
from tests.wait import until
from tests.worker.builders import GROUP, TYPE, join, store
from tests.worker.dead_letters import create_groups, letter, store_letters

pytestmark = pytest.mark.needs("chromium")
NOTHING_KEPT = "Object.defineProperty(window, 'localStorage', {get: () => { throw new Error('refused') }})"

IN_FIELD = """() => {
    document.querySelector("#keys").show()  // a modal one takes the focus
    const field = document.querySelector("#find")
    field.value = "wh_4711"; field.focus(); field.setSelectionRange(3, 5)
    scrollTo(0, 200)
}"""
IN_TEXT = """() => {
    document.querySelector("#keys").show()
    document.activeElement.blur()
    const headings = [...document.querySelectorAll("h2")]
    getSelection().selectAllChildren(headings.find(node => node.innerText.includes("types")))
    scrollTo(0, 200)
}"""
IN_DIALOG = """() => {
    scrollTo(0, 200)
    document.querySelector("#help").click()
}"""
STATE = """() => ({
    open: document.querySelector("#keys").open, y: scrollY, focus: document.activeElement.id,
    typed: document.querySelector("#find").value, selected: getSelection().toString(),
    from: document.querySelector("#find").selectionStart,
})"""
USES = {
    IN_FIELD: {"focus": "find", "typed": "wh_4711", "selected": "47", "from": 3},
    IN_TEXT: {"focus": "", "typed": "", "selected": "Groups × event types", "from": 0},
    IN_DIALOG: {"focus": "keys", "typed": "", "selected": "", "from": 0},
}
"""A page in use in every way at once: a browser has one selection, in a field or in its text, and none beside a modal
dialog."""


@pytest.mark.slow
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
        before = await _number(page)
        await store(client, "wh_2", "wh_3")
        backlog = page.locator(".figure", has_text="Backlog").locator("dd")
        await until(lambda: _text_is(backlog, "3"))
        await until(lambda: _has_look(page, before + 5))
        assert await page.evaluate("getSelection().toString()") == "Groups × event types"
        assert await page.evaluate("document.activeElement.id") == "theme"
        assert await page.evaluate("scrollY") == 200


@pytest.mark.slow
@pytest.mark.parametrize("use", USES, ids=["field", "text", "dialog"])
async def test_what_is_selected_typed_open_and_scrolled_to_stays_over_five_refreshes(client, redis_url, use):
    await create_groups(client, GROUP)
    await join(client)
    async with console(redis_url) as url, browser(url, viewport={"width": 1000, "height": 400}) as page:
        await page.goto("/")
        await page.evaluate(use)
        before = await page.evaluate(STATE)
        assert before == {"open": True, "y": 200} | USES[use]
        number = await _number(page)
        await store(client, "wh_1")
        await until(lambda: _has_look(page, number + 5))
        assert await page.evaluate(STATE) == before
        backlog = page.locator(".figure", has_text="Backlog").locator("dd")
        assert await _text_is(backlog, "1")


async def _text_is(locator, text):
    return (await locator.inner_text()).strip() == text


async def _number(page):
    """The number of the look that is shown, though it may be an old one."""
    version = await page.evaluate("document.querySelector('main').dataset.version")
    return int(version.removesuffix("-old"))


async def _has_look(page, least):
    return await _number(page) >= least


@pytest.mark.slow
async def test_events_are_followed_until_a_pause_which_keeps_what_is_there(client, redis_url):
    await create_groups(client, GROUP)
    await store(client, "wh_1")
    async with console(redis_url) as url, browser(url) as page:
        await page.goto("/")
        await page.keyboard.press("g")
        await page.keyboard.press("e")
        await page.wait_for_url(f"{url}/events")
        await page.get_by_role("link", name="wh_1").wait_for()
        await store(client, "wh_2")
        await page.get_by_role("link", name="wh_2").wait_for()
        await page.get_by_role("link", name="Pause").click()
        await page.get_by_role("link", name="Follow").wait_for()
        await store(client, "wh_3")
        assert await page.get_by_role("link", name="wh_3").count() == 0
        await page.get_by_role("link", name="← newer").click()
        await page.get_by_role("link", name="wh_3").wait_for()
        assert await page.get_by_role("link", name="wh_2").count() == 0
        await page.get_by_role("link", name="Follow").click()
        await page.get_by_role("link", name="wh_3").click()
        await page.wait_for_url("**/event?id=wh_3")


@with_and_without_scripts
async def test_a_body_a_traceback_and_a_command_are_copied_by_a_button_that_needs_scripts(
    client, redis_url, has_scripts
):
    await create_groups(client, GROUP)
    await store(client, "wh_7", name="it's")
    dead = letter("wh_dead", traceback="Traceback:\n  File 'a.py', line 1\nKeyError: 'b'\n", body=b'{"a": [1,\n"b"]}')
    await store_letters(client, dead)
    async with console(redis_url) as url, browser(url, java_script_enabled=has_scripts) as page:
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await page.goto(f"/dead/{GROUP}/wh_dead?body=raw")
        copies = page.get_by_role("button", name="Copy")
        assert await copies.count() == (4 if has_scripts else 0)
        if not has_scripts:
            return
        for name, text in (
            ("Copy the traceback", dead.traceback),
            ("Copy the body", dead.body.decode()),
        ):
            await page.get_by_role("button", name=name).click()
            await until(lambda text=text: _is_copied(page, text))
        await copies.last.click()
        await until(lambda: _is_copied(page, "hookbus-ingest send --body body.bin --source openai"))
        await page.goto("/event?id=wh_7")
        await page.get_by_role("button", name="Copy the body").click()
        await until(lambda: _copied(page, '"name": "it\'s"'))


async def _copied(page, part):
    return part in await page.evaluate("navigator.clipboard.readText()")


async def _is_copied(page, text):
    return (await page.evaluate("navigator.clipboard.readText()")).rstrip() == text.rstrip()


@pytest.mark.slow
async def test_a_hidden_tab_asks_nothing_for_half_a_minute(client, redis_url):
    await create_groups(client, GROUP)
    async with console(redis_url) as url, browser(url) as page:
        await page.clock.install()
        await page.goto("/")
        requests = []
        page.on("request", lambda request: requests.append(request.url))
        await page.clock.run_for(10_000)
        await until(lambda: _any(requests))
        await page.evaluate("Object.defineProperty(document, 'hidden', {get: () => true})")
        await page.wait_for_load_state("networkidle")
        requests.clear()
        await page.clock.run_for(31_000)
        assert requests == []


@pytest.mark.slow
async def test_the_age_of_the_page_is_that_of_its_figures_though_the_clock_of_the_browser_is_wrong(client, redis_url):
    await create_groups(client, GROUP)
    async with console(redis_url) as url, browser(url) as page:
        for there in ("2001-02-03", "2061-02-03"):
            await page.clock.install(time=there)
            await until(lambda: _is_current(page))


async def _is_current(page):
    """Whether a page that was opened just now shows fresh figures; on a busy machine a look may be late in fact."""
    await page.goto("/")
    await page.clock.run_for(1_000)
    seconds = int((await page.locator("#live b").inner_text()).partition(" ")[0])
    fresh_s = float(await page.locator("main").get_attribute("data-fresh"))
    return seconds <= fresh_s and await page.locator(".old, .is-old").count() == 0


async def _any(requests):
    return bool(requests)


async def test_without_scripts_every_page_works(client, redis_url):
    await create_groups(client, GROUP)
    await store(client, *(f"wh_{i}" for i in range(60)))
    async with console(redis_url) as url, browser(url, java_script_enabled=False) as page:
        await page.goto("/")
        assert await page.locator("h2", has_text="Groups × event types").is_visible()
        await page.get_by_role("link", name="Events").click()
        await page.get_by_label("Type or prefix.*").fill(TYPE)
        await page.get_by_role("button", name="Filter").click()
        await page.get_by_role("link", name="older →").click()
        await page.get_by_role("link", name="← newer").click()
        assert await page.locator("tbody tr").count() == 50
        await page.get_by_role("link", name="Health").click()
        assert await page.locator("h1").inner_text() == "Health"
