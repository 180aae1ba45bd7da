"""What an operator does in a browser: from the overview to redriven letters, and what others see of it."""

import re
from urllib.parse import quote

import pytest

from tests.console.browser import browser, console, contexts, with_and_without_scripts
from tests.wait import until
from tests.worker.builders import GROUP, KEYS
from tests.worker.dead_letters import create_groups, letter, store_letters, subscribe

pytestmark = pytest.mark.needs("chromium")
OPERATOR = ("--role", "operator")
HIDDEN = "\x1bw\x00h\u202e_\r\n%41"
"""What a browser's form, an HTML page or a shell would change."""
MOST_TABS = 60
NO_LETTERS = re.compile(r"^0\b")
COVERED = """node => {
  node.scrollIntoView({block: "center"})
  const {x, y, width, height} = node.getBoundingClientRect()
  return node.contains(document.elementFromPoint(x + width / 2, y + height / 2)) ? "" : node.textContent
}"""


async def dying(client, count):
    await subscribe(client, "response.*")
    await store_letters(client, *(letter(f"wh_{i}") for i in range(count)))


def redrive_steps(page):
    """What to press from the overview to the redrive of twelve letters of one cause, and where each leads."""
    return (
        (page.locator(".cause").first, "**/dead?*"),
        (page.get_by_role("button", name="Redrive these…"), "**/plan"),
        (page.get_by_role("button", name="Redrive 12"), "**/jobs/*"),
    )


async def tab_to(page, target):
    """Press Tab until it has the focus."""
    for _ in range(MOST_TABS):
        if await target.evaluate("node => node === document.activeElement"):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"{target} is not reached by the keyboard")


@with_and_without_scripts
async def test_from_the_overview_to_a_redriven_cause_by_the_keyboard_in_four_steps(client, redis_url, has_scripts):
    await dying(client, 12)
    async with console(redis_url, *OPERATOR) as url, contexts(url) as new:
        page, beside = await new(java_script_enabled=has_scripts), await new()
        await beside.goto("/")
        await page.goto("/")
        for step, path in redrive_steps(page):
            await tab_to(page, step)
            await page.keyboard.press("Enter")
            await page.wait_for_url(path)
        await until(lambda: _redriven(client, 12))
        await until(lambda: _says_after_a_reload(page, "12 of 12"))
        await beside.locator(".figure", has_text="Dead letters").locator("dd", has_text=NO_LETTERS).wait_for()
    stream = KEYS.redelivery("response.completed", GROUP)
    assert len(await client.execute_command("XINFO", "GROUPS", stream)) == 1, "it counts as backlog"


async def _redriven(client, count):
    return await client.execute_command("XLEN", KEYS.redelivery("response.completed", GROUP)) == count


async def _says_after_a_reload(page, text):
    await page.reload()
    return text in await page.locator("main").inner_text()


@pytest.mark.slow
async def test_others_see_the_progress_and_it_can_be_stopped(client, redis_url):
    await dying(client, 500)
    async with console(redis_url, *OPERATOR) as url, contexts(url) as new:
        first, second = await new(), await new()
        await first.goto("/dead")
        await first.get_by_role("button", name="Redrive these…").click()
        await first.get_by_label("How many a second").fill("20")
        await first.get_by_role("button", name="Redrive 500").click()
        await first.wait_for_url("**/jobs/*")
        await second.goto(first.url)
        seen = int(await second.locator("#moved").inner_text())
        await until(lambda: _has_moved(second, seen + 20))
        await second.get_by_role("button", name="Stop").click()
        await second.get_by_text("are left, and stay dead letters").wait_for()
        left = await client.execute_command("ZCARD", KEYS.dead(GROUP))
        moved = await client.execute_command("XLEN", KEYS.redelivery("response.completed", GROUP))
        assert left > 0
        assert left + moved == 500


async def _has_moved(page, least):
    return int(await page.locator("#moved").inner_text()) >= least


@with_and_without_scripts
async def test_a_letter_whose_name_holds_what_no_form_can_is_moved_from_its_page(client, redis_url, has_scripts):
    await create_groups(client, GROUP)
    await store_letters(client, letter(HIDDEN), letter(HIDDEN.strip("\x1b")))
    async with console(redis_url, *OPERATOR) as url, browser(url, java_script_enabled=has_scripts) as page:
        await page.goto(f"/dead?id={quote(HIDDEN)}")
        await page.get_by_role("button", name="Discard these…").click()
        assert await page.locator("h1").inner_text() == "Discard 1 dead letter"
        await page.goto(f"/dead/{GROUP}/{quote(HIDDEN)}")
        await page.get_by_role("button", name="Discard…").click()
        await page.get_by_role("button", name="Show as a command").click()
        assert "--id $'\\x1bw\\x00h\\xe2\\x80\\xae_\\x0d\\x0a%41'" in await page.locator(".cli code").inner_text()
        await page.get_by_role("button", name="Discard 1").click()
        await page.wait_for_url("**/jobs/*")
        await until(lambda: _are_left(client, 1))
    assert await client.execute_command("ZRANGE", KEYS.dead(GROUP), 0, -1) == [HIDDEN.strip("\x1b").encode()]


async def _are_left(client, count):
    return await client.execute_command("ZCARD", KEYS.dead(GROUP)) == count


@with_and_without_scripts
async def test_a_download_is_imported_again(client, redis_url, has_scripts, tmp_path):
    await dying(client, 3)
    async with console(redis_url, *OPERATOR) as url, browser(url, java_script_enabled=has_scripts) as page:
        await page.goto("/dead")
        async with page.expect_download() as download:
            await page.get_by_role("link", name="Export ↓").click()
        file = tmp_path / "letters.jsonl"
        await (await download.value).save_as(file)
        await client.execute_command("DEL", *await client.execute_command("KEYS", "*:dead:*"))
        await page.get_by_label("JSON Lines").set_input_files(file)
        await page.get_by_role("button", name="Import").click()
        await page.get_by_role("heading", name="3 dead letters imported").wait_for()
        assert "already there\n0" in await page.locator("main").inner_text()


@pytest.mark.slow
async def test_on_a_phone_every_action_of_a_letter_can_be_reached(client, redis_url):
    await dying(client, 1)
    async with console(redis_url, *OPERATOR) as url, browser(url, viewport={"width": 390, "height": 844}) as page:
        await page.goto(f"/dead/{GROUP}/wh_0")
        buttons = page.locator(".title .btn")
        hidden = [text for button in await buttons.all() if (text := await button.evaluate(COVERED))]
        assert await buttons.count() == 4
        assert hidden == []
