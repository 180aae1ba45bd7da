"""Whatever the filter in the address, an operator's discard takes what its button says, and nothing else."""

from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings

from tests.console.browser import browser, console
from tests.worker.console.pages.test_filters import FILTERS, GROUPS, LETTERS, left, matches, store_letters_anew
from tests.worker.dead_letters import create_groups

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.slow]


@pytest.fixture
async def page(client, redis_url):
    await create_groups(client, *GROUPS)
    async with console(redis_url, "--role", "operator") as url, browser(url) as page:
        yield page


@given(asked=FILTERS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_discard_takes_the_letters_of_its_filter_and_as_many_as_its_button_says(client, page, asked):
    await store_letters_anew(client)
    expected = {each.webhook_id for each in LETTERS if matches(each, asked)}
    await page.goto(f"/dead?{urlencode(asked)}")
    opens = page.get_by_role("button", name="Discard these…")
    assert await opens.count() == bool(expected)
    if expected:
        await opens.click()
        await page.get_by_role("button", name=f"Discard {len(expected)}", exact=True).click()
        await page.wait_for_url("**/jobs/*")
        await page.get_by_text(f"{len(expected)} of {len(expected)}").first.wait_for()
    assert await left(client) == {each.webhook_id for each in LETTERS} - expected
