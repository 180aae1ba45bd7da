"""An operator pauses a group and resumes it in a browser: by mouse and by keyboard alone, with scripts and without."""

import pytest

from hookbus.worker import audit
from hookbus.worker.inventory import pauses, suspensions
from hookbus.worker.inventory.suspensions import Opened
from tests.console.browser import browser, console, contexts, with_and_without_scripts
from tests.console.test_access import FINGER_PX, SMALL_TARGETS, violations
from tests.console.test_actions import OPERATOR, tab_to
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, TYPE, join, store
from tests.worker.console.pages.test_pausing import suspend
from tests.worker.dead_letters import subscribe

pytestmark = pytest.mark.needs("chromium")
OTHER = "batch.failed"


async def bus(client):
    """A group with an open breaker, which subscribes to two types."""
    await subscribe(client, TYPE, OTHER)
    await join(client, TYPE, OTHER)
    await store(client, "wh_1")
    await suspend(client, OTHER, Opened("f", "ConnectionError: the desk is closed", 1, 2))


async def paused(client):
    return {pattern: each.reason for pattern, each in (await pauses.fetch(client, [KEYS], GROUP)).items()}


@with_and_without_scripts
async def test_a_group_is_paused_and_resumed_by_the_keyboard_alone(client, redis_url, has_scripts):
    await bus(client)
    async with console(redis_url, *OPERATOR) as url, browser(url, java_script_enabled=has_scripts) as page:
        await page.goto(f"/groups/{GROUP}")
        await tab_to(page, page.locator("select[name=pattern]"))
        await page.keyboard.type(TYPE)
        await tab_to(page, page.get_by_label("Why, for the record"))
        await page.keyboard.type("INC-7")
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name=f"Pause {TYPE} of {GROUP}").wait_for()
        assert await paused(client) == {}
        assert await page.get_by_text(f"hookbus-worker pause {GROUP} {TYPE} --why INC-7").is_visible()
        await tab_to(page, page.get_by_role("button", name=f"Pause {TYPE}"))
        await page.keyboard.press("Enter")
        await page.get_by_text(f"{GROUP}: {TYPE} paused within two seconds").wait_for()
        assert await paused(client) == {TYPE: "INC-7"}
        await page.reload()
        await page.get_by_text(f"{GROUP}: {TYPE} paused within two seconds").wait_for()
        await tab_to(page, page.get_by_role("button", name="Resume all"))
        await page.keyboard.press("Enter")
        await tab_to(page, page.get_by_role("button", name=f"Resume {GROUP}"))
        await page.keyboard.press("Enter")
        await page.get_by_text(f"breaker or hold of {OTHER} ended within two seconds").wait_for()
    assert (await paused(client), await suspensions.fetch(client)) == ({}, {})
    assert [each.verb for each in await audit.fetch(client, 9)] == ["resume", "pause"], "the reload did nothing"


@pytest.mark.slow
async def test_two_who_reset_the_same_breaker_from_the_overview_and_one_who_may_only_look(client, redis_url):
    await bus(client)
    async with (
        console(redis_url, *OPERATOR) as url,
        console(redis_url) as viewers,
        contexts(url) as new,
        browser(viewers) as viewer,
    ):
        pages = [await new(), await new()]
        for page in pages:
            await page.goto("/")
            await page.get_by_role("button", name="Reset breaker").click()
            await page.get_by_role("heading", name=f"Resume {OTHER} of {GROUP}").wait_for()
        await viewer.goto("/")
        await viewer.get_by_text(f"breaker of {OTHER} open").wait_for()
        for page, said in zip(pages, ("ended within two seconds", "Nothing was changed"), strict=True):
            await page.get_by_role("button", name=f"Resume {OTHER}").click()
            await page.get_by_text(said).wait_for()
        assert "The last change: resume batch.failed by console@" in await page.locator("main").inner_text()
        assert await viewer.locator("form[method=post]").count() == 0
        await pages[0].goto("/")
        await pages[0].get_by_text(f"breaker of {OTHER} open").wait_for(state="detached")


@pytest.mark.slow
async def test_what_somebody_has_begun_to_fill_in_stays_while_the_list_grows(client, redis_url):
    await bus(client)
    async with console(redis_url, *OPERATOR) as url, browser(url) as page:
        await page.goto(f"/groups/{GROUP}")
        await page.locator("select[name=pattern]").select_option(TYPE)
        await page.get_by_role("heading", name=GROUP).click()
        await pauses.write(client, [KEYS], GROUP, OTHER)
        await page.get_by_text(f"{OTHER} is paused").wait_for()
        await page.get_by_role("button", name="Pause…").click()
        await page.get_by_role("heading", name=f"Pause {TYPE} of {GROUP}").wait_for()


@pytest.mark.slow
async def test_the_forms_fit_a_phone_and_axe_finds_nothing_in_them(client, redis_url):
    await bus(client)
    await pauses.write(client, [KEYS], GROUP, TYPE, "x" * 190)
    faults = []
    async with console(redis_url, *OPERATOR) as url, browser(url, viewport={"width": 390, "height": 844}) as page:
        for button in ("Resume all", "Pause…", ""):
            await page.goto(f"/groups/{GROUP}" if button else "/")
            if button:
                await page.get_by_role("button", name=button).click()
                await until(lambda: _is_planned(page))
            for theme in ("light", "dark"):
                await page.emulate_media(color_scheme=theme)
                faults += [f"{button} {theme} {each}" for each in await violations(page)]
            faults += await page.evaluate(SMALL_TARGETS, FINGER_PX)
            assert await page.evaluate("document.documentElement.scrollWidth") == 390, button
    assert faults == []


async def _is_planned(page):
    return await page.get_by_role("button", name="Show as a command").is_visible()
