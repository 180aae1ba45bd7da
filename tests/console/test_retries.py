"""What waits for an attempt, in a browser: hastened or dead-lettered by the console as its own user of Redis."""

import pytest

from hookbus.shared.clock import now_ms
from hookbus.worker import audit
from tests.console.browser import browser, console, with_and_without_scripts
from tests.wait import until
from tests.worker.builders import GROUP, KEYS
from tests.worker.dead_letters import start_workers, subscribe
from tests.worker.parked import park, queue

pytestmark = pytest.mark.needs("chromium")
DELAYED = KEYS.delayed(GROUP)


@pytest.fixture
async def bus(client, redis_url):
    """Twelve parked deliveries and a queued one."""
    await subscribe(client, "response.*")
    await start_workers(client, GROUP)
    await park(client, *(f"wh_{i:02}" for i in range(12)))
    await queue(client, "wh_queued")
    return redis_url


@with_and_without_scripts
async def test_what_waits_is_hastened_by_filter_and_dead_lettered_one_by_one(client, bus, has_scripts):
    async with console(bus, "--role", "operator") as url, browser(url, java_script_enabled=has_scripts) as page:
        for name, left in (("wh_03", 12), ("wh_queued", 11)):
            await page.goto("/retries")
            await page.get_by_role("button", name=f"Dead-letter… {name} of {GROUP}").click()
            await page.get_by_label("Why, for the record").fill("INC-7")
            await page.get_by_role("button", name="Dead-letter 1").click()
            await page.wait_for_url("**/jobs/*")
            await until(lambda: _ends_with(client, "retries dead-letter"))
            await page.goto("/retries")
            assert await page.locator("tbody tr").count() == left
        await page.get_by_role("button", name="Hasten these…").click()
        await page.get_by_role("button", name="Hasten 11").click()
        await page.wait_for_url("**/jobs/*")
        await until(lambda: _ends_with(client, "retries now"))
    assert await client.execute_command("ZCOUNT", DELAYED, now_ms() + 1000, "+inf") == 0
    assert await client.execute_command("ZCARD", KEYS.dead(GROUP)) == 2
    found = await audit.fetch(client, 3)
    assert [(entry.via, entry.moved, entry.why) for entry in found] == [
        ("console", 11, ""), ("console", 1, "INC-7"), ("console", 1, "INC-7"),
    ]  # fmt: skip
    assert await client.execute_command("ACL", "LOG") == []


async def _ends_with(client, verb):
    [entry] = await audit.fetch(client, 1)
    return (entry.verb, entry.result) == (verb, "done")
