"""An operator sends a test event from a browser, with scripts and without, and sees what became of it."""

import pytest

from hookbus.worker import audit
from tests.console.browser import browser, console, with_and_without_scripts
from tests.console.test_access import FINGER_PX, SMALL_TARGETS, violations
from tests.console.test_actions import OPERATOR, tab_to
from tests.programs import SECRET, Ingest
from tests.wait import until
from tests.worker.builders import KEYS, TYPE, join
from tests.worker.dead_letters import subscribe

pytestmark = pytest.mark.needs("chromium")


def sending(url: str) -> dict[str, str]:
    """The settings of a console that sends to a URL."""
    return {"HOOKBUS_WORKER_CONSOLE_SEND_URL": url, "HOOKBUS_WORKER_CONSOLE_SEND_SECRET": SECRET}


async def bus(client):
    await subscribe(client, TYPE)
    await join(client, TYPE)


@with_and_without_scripts
async def test_a_test_event_is_sent_by_the_keyboard_alone_and_its_page_says_so(client, redis_url, has_scripts):
    await bus(client)
    with Ingest(redis_url) as ingest:
        await ingest.until_healthy()
        async with (
            console(redis_url, *OPERATOR, **sending(ingest.url)) as url,
            browser(url, java_script_enabled=has_scripts) as page,
        ):
            await page.goto("/events")
            await tab_to(page, page.get_by_label("Test event"))
            await page.keyboard.type(TYPE)
            await tab_to(page, page.get_by_role("button", name="Send…"))
            await page.keyboard.press("Enter")
            await page.get_by_role("heading", name=f"Send a test event {TYPE}").wait_for()
            assert await page.get_by_text("their handlers run for real").is_visible()
            assert await audit.fetch(client, 9) == []
            await tab_to(page, page.get_by_label("Why, for the record"))
            await page.keyboard.type("INC-7")
            await page.keyboard.press("Enter")
            await page.get_by_text("Test event, sent by console@").wait_for()
            assert "INC-7" in await page.locator("main").inner_text()
            await page.reload()
            await page.get_by_text("Test event, sent by console@").wait_for()
    assert await client.execute_command("XLEN", KEYS.stream(TYPE)) == 1, "the reload sent nothing"
    assert [(each.verb, each.result, each.why) for each in await audit.fetch(client, 9)] == [("send", "done", "INC-7")]


@pytest.mark.slow
async def test_the_form_and_its_refusal_fit_a_phone_and_axe_finds_nothing_in_them(client, redis_url):
    await bus(client)
    faults = []
    async with (
        console(redis_url, *OPERATOR, **sending(f"http://127.0.0.1:1/{'x' * 200}")) as url,
        browser(url, viewport={"width": 390, "height": 844}) as page,
    ):
        await page.goto("/events")
        for button, said in (("", "Events"), ("Send…", "Who gets it"), (f"Send {TYPE}", "Nothing was changed")):
            if button == "Send…":
                await page.get_by_label("Test event").select_option(TYPE)
            if button:
                await page.get_by_role("button", name=button).click()
            await until(lambda said=said: page.get_by_text(said).first.is_visible())
            for theme in ("light", "dark"):
                await page.emulate_media(color_scheme=theme)
                faults += [f"{said} {theme} {each}" for each in await violations(page)]
            faults += await page.evaluate(SMALL_TARGETS, FINGER_PX)
            assert await page.evaluate("document.documentElement.scrollWidth") == 390, said
    assert faults == []
