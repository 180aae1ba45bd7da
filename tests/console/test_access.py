"""Every page for everybody: what axe finds, sizes from a phone to a desktop at 200 %, targets for fingers, and keys."""

import itertools
import json

import pytest

from hookbus.worker.console.routes import ROUTES
from tests.console.browser import browser, console, sizes
from tests.console.every_page import DOWNLOADS, FORMS, LEADING, PATHS, SENDING, fill, visits
from tests.wait import until
from tests.worker.builders import GROUP, KEYS
from tests.worker.dead_letters import create_groups

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.slow]
ZOOMED = (720, 450)
"""What a desktop of 1440 by 900 has at 200 %."""
LAPTOP = (1280, 800)
TOUCHED = {"width": 1440, "height": 900}
ONE_ROW = (1241, 800)
"""The narrowest that has all of its bar in one row."""
HIDDEN_PX = "(nav => nav.scrollWidth - nav.clientWidth)(document.querySelector('.nav'))"
"""Of the navigation, to the right of what is shown."""
BAR_PX = "document.querySelector('.bar').offsetHeight"
ONE_ROW_PX = 46
OPERATOR = ("--role", "operator")
FINGER_PX = 32
"""Of a target's height and width, where a finger may be; a phone or a tablet, or a screen that is touched."""
MOUSE_PX = 24
"""WCAG 2.2, 2.5.8."""
TABLET_PX = 900
COVERED = """() => [...document.querySelectorAll("main :is(a, button, input:not([type=hidden]), select, summary)")]
  .filter(node => node.checkVisibility() && !node.closest("svg"))
  .filter(node => {
    node.scrollIntoView({block: "center", inline: "center"})
    return ![...node.getClientRects()].some(({x, y, width, height}) => {
      const hit = document.elementFromPoint(x + width / 2, y + height / 2)
      return hit && (node.contains(hit) || hit.contains(node) && hit.closest("label"))
    })
  }).map(node => node.outerHTML.slice(0, 120))"""
SMALL_TARGETS = """least => [...document.querySelectorAll("a, button, input:not([type=hidden]), select, summary")]
  .filter(node => node.checkVisibility() && !node.closest(".skip"))
  .map(node => [node.outerHTML.slice(0, 120), node.getBoundingClientRect()])
  .filter(([, {width, height}]) => height < least || width < least)
  .map(([text, {width, height}]) => `${Math.round(width)}x${Math.round(height)} ${text}`)"""


def test_no_page_is_left_out():
    visited = {"GET": [path.partition("?")[0] for path in (*PATHS, "/jobs/1-1", *DOWNLOADS)]}
    visited["POST"] = [*(form.route for form in FORMS), *LEADING]
    assert [r.path.pattern for r in ROUTES if not any(map(r.path.fullmatch, visited[r.method]))] == []


async def violations(page):
    """What axe finds on a page, by rule and place."""
    from axe_playwright_python.async_playwright import Axe

    found = (await Axe().run(page)).response["violations"]
    return [f"{rule['id']}: {node['html'][:160]}" for rule in found for node in rule["nodes"]]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing_on_any_page_in_either_theme_and_all_fit_with_targets_to_hit(client, redis_url, theme):
    job, faults = await fill(client), []
    async with console(redis_url, *OPERATOR, **SENDING) as url, browser(url, color_scheme=theme) as page:
        async for place in visits(page, job):
            assert await page.evaluate("document.scripts.length") == 1
            for width, height in (*sizes(), LAPTOP, ONE_ROW, ZOOMED):
                await page.set_viewport_size({"width": width, "height": height})
                found = await page.evaluate("[innerWidth, document.documentElement.scrollWidth]")
                assert found == [width, width], place
                assert width == 390 or await page.evaluate(HIDDEN_PX) == 0, (place, width)
                assert width < ONE_ROW[0] or await page.evaluate(BAR_PX) == ONE_ROW_PX, place
                least_px = FINGER_PX if width <= TABLET_PX else MOUSE_PX
                faults += [f"{place} {width} small {each}" for each in await page.evaluate(SMALL_TARGETS, least_px)]
                if width in (390, 1440):
                    faults += [f"{place} {width} {each}" for each in await violations(page)]
    assert faults == []


async def test_axe_finds_nothing_on_the_page_that_asks_for_a_token_and_a_finger_hits_all_of_it(client, redis_url):
    await create_groups(client, GROUP)
    tokens = json.dumps({"viewer": ["t" * 32]})
    environ = {"HOOKBUS_WORKER_CONSOLE_AUTH": "token", "HOOKBUS_WORKER_CONSOLE_TOKENS": tokens}
    faults = []
    async with console(redis_url, **environ) as url, browser(url) as page:
        for theme, (width, height) in itertools.product(("light", "dark"), (*sizes(), ZOOMED)):
            await page.emulate_media(color_scheme=theme)
            await page.set_viewport_size({"width": width, "height": height})
            await page.goto("/")
            assert await page.evaluate("document.documentElement.scrollWidth") == width
            faults += [f"{theme} {width} {each}" for each in await violations(page)]
            faults += await page.evaluate(SMALL_TARGETS, FINGER_PX if width <= TABLET_PX else MOUSE_PX)
    assert faults == []


@pytest.mark.parametrize(("width", "height"), [(390, 844), ZOOMED])
async def test_everything_can_be_reached_on_a_phone_and_at_200_percent_and_a_finger_hits_it_on_a_wide_screen(
    client, redis_url, width, height
):
    job, faults = await fill(client), []
    options = {"viewport": {"width": width, "height": height}, "has_touch": width == 390}
    async with console(redis_url, *OPERATOR, **SENDING) as url, browser(url, **options) as page:
        async for place in visits(page, job):
            faults += [f"{place}: covered {each}" for each in await page.evaluate(COVERED)]
            if width == 390:
                await page.set_viewport_size(TOUCHED)
                faults += [f"{place}: small {each}" for each in await page.evaluate(SMALL_TARGETS, FINGER_PX)]
                await page.set_viewport_size(options["viewport"])
    assert faults == []


async def test_keys_lead_everywhere_and_change_nothing(client, redis_url):
    await fill(client)
    before = await client.execute_command("ZCARD", KEYS.dead(GROUP))
    async with console(redis_url, "--role", "operator") as url, browser(url) as page:
        await page.goto("/")
        for key, path in {"d": "/dead", "r": "/retries", "e": "/events", "h": "/health", "o": "/"}.items():
            await page.keyboard.press("g")
            await page.keyboard.press(key)
            await page.wait_for_url(f"{url}{path}")
        await page.keyboard.press("?")
        assert await page.get_by_role("dialog", name="Keys").is_visible()
        await page.keyboard.press("Escape")
        assert not await page.locator("#keys").is_visible()
        await page.goto("/dead")
        await page.keyboard.press("j")
        first = await page.evaluate("document.activeElement.href")
        await page.keyboard.press("j")
        assert await page.evaluate("document.activeElement.href") != first
        await page.keyboard.press("k")
        assert await page.evaluate("document.activeElement.href") == first
        await page.keyboard.press("r")
        await page.wait_for_url("**/plan")
        assert "Redrive 1" in await page.locator("h1").inner_text()
    assert await client.execute_command("ZCARD", KEYS.dead(GROUP)) == before


async def test_a_key_pressed_in_a_field_is_text(client, redis_url):
    await fill(client)
    async with console(redis_url) as url, browser(url) as page:
        await page.goto("/dead")
        await page.get_by_label("Fingerprint").focus()
        await page.keyboard.type("g?jr/")
        assert await page.get_by_label("Fingerprint").input_value() == "g?jr/"
        assert not await page.locator("#keys").is_visible()
        await until(lambda: _is_at(page, f"{url}/dead"))


async def _is_at(page, address):
    return page.url == address
