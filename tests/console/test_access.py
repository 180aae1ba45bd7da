"""Every page for everybody: what axe finds, sizes from a phone to a desktop at 200 %, targets for fingers, and keys."""

import itertools
import json

import pytest

from hookbus.shared.keys import HOME
from hookbus.shared.rejection import encode
from hookbus.worker import audit
from hookbus.worker.audit import Action
from hookbus.worker.console import job_store
from hookbus.worker.console.job_store import Confirmed, Numbers
from hookbus.worker.console.routes import ROUTES
from hookbus.worker.inventory import pauses, suspensions
from hookbus.worker.inventory.readers import register
from hookbus.worker.inventory.suspensions import Opened
from tests.console.browser import browser, console, sizes
from tests.ingest.test_rejections import a_rejection
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, TYPE, join, store
from tests.worker.dead_letters import create_groups, letter, store_letters
from tests.worker.parked import park

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.slow]
PATHS = (
    "/",
    "/dead",
    "/dead?group=billing&fingerprint=none",
    f"/dead/{GROUP}/wh_dead",
    f"/dead/{GROUP}/wh_gone",
    "/events",
    "/events?type=none.*",
    "/event",
    "/event?id=wh_1",
    f"/groups/{GROUP}",
    "/retries",
    "/processes",
    "/rejected",
    "/actions",
    "/health",
    "/nowhere",
)
ZOOMED = (720, 450)
"""What a desktop of 1440 by 900 has at 200 %."""
LAPTOP = (1280, 800)
HIDDEN_PX = "(nav => nav.scrollWidth - nav.clientWidth)(document.querySelector('.nav'))"
"""Of the navigation, to the right of what is shown."""
LEAST_PX = 32
SMALL_TARGETS = """least => [...document.querySelectorAll("a, button, input:not([type=hidden]), select, summary")]
  .filter(node => node.checkVisibility() && !node.closest(".skip"))
  .map(node => [node.outerHTML.slice(0, 120), node.getBoundingClientRect()])
  .filter(([, {width, height}]) => height < least || width < least)
  .map(([text, {width, height}]) => `${Math.round(width)}x${Math.round(height)} ${text}`)"""


def test_no_page_is_left_out():
    patterns = [route.path for route in ROUTES if route.method == "GET" and route.page.__name__ == "page"]
    paths = [path.partition("?")[0] for path in PATHS]
    left_out = {each.pattern for each in patterns if not any(map(each.fullmatch, paths))}
    assert left_out <= {"/export", *(each.pattern for each in patterns if each.fullmatch("/jobs/1-1"))}


async def busy(client):
    """A bus with something on each page, and names that are long."""
    await create_groups(client, GROUP, "audit")
    for group in (GROUP, "audit"):
        await client.execute_command("HSET", KEYS.patterns, group, TYPE)
    await join(client)
    await store(client, "wh_1")
    await park(client, "wh_parked", error="x" * 300)
    opened = Opened("f", "ConnectionError: " + "closed " * 20, 1, 2)
    await client.execute_command("HSET", suspensions.KEY, suspensions.field(GROUP, TYPE), suspensions.encode(opened))
    await pauses.write(client, [KEYS], GROUP, "response.*", "for " + "a long reason " * 10)
    for name in ("host", "host.example.com"):
        await client.execute_command("HSET", KEYS.consumers(GROUP), f"{name}.1.ab", register(1, [TYPE], ""))
    await client.execute_command("XADD", HOME.rejections, "*", "rejection", encode(a_rejection(path="/a" * 90)))
    await store_letters(client, letter("wh_dead", message="x" * 300, frame="/srv/" + "very_long/" * 20))


async def a_job(client):
    """The path of a job whose console is gone."""
    action = Action(verb="dlq redrive", who="ann@" + "host" * 20, via="console", matching=9, why="INC-7")
    job_id = await audit.begin(client, action)
    await job_store.create(client, job_id, Confirmed(action, {"verb": "redrive"}, 9, 1.0))
    await job_store.beat(client, job_id, Numbers(1, moved=3))
    return f"/jobs/{job_id}"


async def plans(page):
    """Open one plan of each kind after the other."""
    for path, button in (("/dead", "Redrive these…"), ("/retries", "Hasten these…")):
        await page.goto(path)
        await page.get_by_role("button", name=button).click()
        await page.wait_for_url("**/plan")
        yield f"plan of {path}"


async def violations(page):
    """What axe finds on a page, by rule and place."""
    from axe_playwright_python.async_playwright import Axe

    found = (await Axe().run(page)).response["violations"]
    return [f"{rule['id']}: {node['html'][:160]}" for rule in found for node in rule["nodes"]]


async def test_axe_finds_nothing_on_any_page_in_both_themes_and_all_fit(client, redis_url):
    await busy(client)
    faults, paths = [], (*PATHS, await a_job(client))
    async with console(redis_url, "--role", "operator") as url, browser(url) as page:
        for theme in ("light", "dark"):
            await page.emulate_media(color_scheme=theme)
            for width, height in (*sizes(), LAPTOP, ZOOMED):
                await page.set_viewport_size({"width": width, "height": height})
                for path in paths:
                    await page.goto(path)
                    assert await page.evaluate("document.documentElement.scrollWidth") == width, (path, width)
                    assert await page.evaluate("document.scripts.length") == 1
                    assert width == 390 or await page.evaluate(HIDDEN_PX) == 0, (path, width)
                    if width in (390, 1440):
                        faults += [f"{path} {theme} {width} {each}" for each in await violations(page)]
            async for plan in plans(page):
                for width, height in (ZOOMED, *sizes()):
                    await page.set_viewport_size({"width": width, "height": height})
                    assert await page.evaluate("document.documentElement.scrollWidth") == width, (plan, width)
                faults += [f"{plan} {theme} {each}" for each in await violations(page)]
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
            faults += await page.evaluate(SMALL_TARGETS, LEAST_PX) if width == 390 else []
    assert faults == []


async def test_a_finger_hits_everything_on_a_phone(client, redis_url):
    await busy(client)
    small = []
    options = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
    async with console(redis_url, "--role", "operator") as url, browser(url, **options) as page:
        for path in (*PATHS, await a_job(client)):
            await page.goto(path)
            small += [f"{path} {each}" for each in await page.evaluate(SMALL_TARGETS, LEAST_PX)]
        async for plan in plans(page):
            small += [f"{plan} {each}" for each in await page.evaluate(SMALL_TARGETS, LEAST_PX)]
    assert small == []


async def test_keys_lead_everywhere_and_change_nothing(client, redis_url):
    await busy(client)
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
    await busy(client)
    async with console(redis_url) as url, browser(url) as page:
        await page.goto("/dead")
        await page.get_by_label("Fingerprint").focus()
        await page.keyboard.type("g?jr/")
        assert await page.get_by_label("Fingerprint").input_value() == "g?jr/"
        assert not await page.locator("#keys").is_visible()
        await until(lambda: _is_at(page, f"{url}/dead"))


async def _is_at(page, address):
    return page.url == address
