"""Replays in a browser: of a window from the page of a group, of one event from its page."""

import pytest

from hookbus.shared.clock import now_ms
from hookbus.worker import audit
from tests.console.browser import browser, console, with_and_without_scripts
from tests.wait import until
from tests.worker.builders import GROUP, OWN_STREAM
from tests.worker.dead_letters import subscribe
from tests.worker.retained_events import hand_out, retain

pytestmark = pytest.mark.needs("chromium")


@with_and_without_scripts
async def test_a_window_and_an_event_are_replayed_to_a_group(client, redis_url, has_scripts):
    await subscribe(client, "response.*")
    await retain(client, *(f"wh_{i}" for i in range(12)))
    await retain(client, "wh_fresh", at_ms=now_ms() - 1000)
    await hand_out(client)
    async with console(redis_url, "--role", "operator") as url, browser(url, java_script_enabled=has_scripts) as page:
        await page.goto(f"/groups/{GROUP}")
        await page.get_by_label("Stored since").fill("2023-11-14T22:13:20.002Z")
        await page.get_by_label("Until").fill("2023-11-15")
        await page.get_by_role("button", name="Replay these…").click()
        await page.get_by_label("Why, for the record").fill("INC-7")
        await page.get_by_role("button", name="Replay 10").click()
        await page.wait_for_url("**/jobs/*")
        await until(lambda: _has(client, 10))
        await page.goto("/event")
        await page.get_by_label("Its webhook-id").fill("wh_fresh")
        await page.get_by_role("button", name="Find", exact=True).click()
        await page.get_by_role("button", name=f"Replay… to {GROUP}").click()
        await page.get_by_role("button", name="Replay 1", exact=True).click()
        await page.wait_for_url("**/jobs/*")
        await until(lambda: _has(client, 11))
        found = await until(lambda: _ended(client))
    assert [(each.verb, each.via, each.moved, each.why) for each in found] == [
        ("replay", "console", 1, ""), ("replay", "console", 10, "INC-7"),
    ]  # fmt: skip
    assert await client.execute_command("ACL", "LOG") == []


async def _has(client, count):
    return await client.execute_command("XLEN", OWN_STREAM) == count


async def _ended(client):
    found = await audit.fetch(client, 2)
    return found if all(each.result for each in found) else None
