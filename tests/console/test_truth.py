"""Figures are those of the bus, or they are said to be old."""

import json
import os
import signal
import time

import pytest

from hookbus.shared.connection import connect
from tests.console.browser import console, contexts
from tests.programs import Program
from tests.wait import until
from tests.worker.builders import GROUP, TYPE, join, store
from tests.worker.dead_letters import create_groups, letter, store_letters

pytestmark = pytest.mark.needs("chromium")
TOLD_S = 5.0
TRIES = 3
"""The best of them counts: on a busy machine looks take longer, and are old later (`test_pace`)."""
WAIT_MS = 20_000
UNAVAILABLE = "the server responded with a status of 503"


async def test_a_redis_that_hangs_is_noticed_within_five_seconds_and_what_is_shown_stays(own_server):
    async with connect(own_server.url, "tests") as client:
        await create_groups(client, GROUP)
        await join(client)
        await store(client, "wh_1", "wh_2")
        await store_letters(client, *(letter(f"wh_dead{i}") for i in range(3)))
    async with console(own_server.url) as url, contexts(url, UNAVAILABLE) as new:
        pages = [await new(), await new()]
        for page, path in zip(pages, ("/", "/dead"), strict=True):
            await page.goto(path)
        took_s: list[tuple[float, float]] = []
        while len(took_s) < TRIES and all(max(each) >= TOLD_S for each in took_s):
            took_s.append(await _away_and_back(own_server.pid, pages))
        assert max(min(took_s, key=max)) < TOLD_S, took_s
        told = await _status(own_server.url)
        group = told["groups"][GROUP]
        assert group["dead"] == await _figure(pages[0], "Dead letters")
        assert group["types"][TYPE]["backlog"] == await _figure(pages[0], "Backlog")


async def _away_and_back(pid, pages):
    """Stop Redis until the pages have said so. Returns how long that took, and until they no longer said it."""
    figures = pages[0].locator(".figures")
    os.kill(pid, signal.SIGSTOP)
    try:
        stopped_s = time.monotonic()
        for page in pages:
            await page.locator("#old").wait_for(state="visible", timeout=WAIT_MS)
        noticed_s = time.monotonic() - stopped_s
        shown = await figures.locator("dd").all_inner_texts()
        await until(lambda: _says(pages[1], "has not answered", "did not answer", "does not answer"), timeout_s=15)
        assert await figures.locator("dd").all_inner_texts() == shown
        assert await pages[1].locator("td.letter").count() == 3
        assert await pages[0].locator("#live.is-old").count() == 1
    finally:
        os.kill(pid, signal.SIGCONT)
    back_s = time.monotonic()
    for page in pages:
        await page.locator("#old").wait_for(state="hidden", timeout=WAIT_MS)
    gone_s = time.monotonic() - back_s
    for page in pages:
        assert await page.locator(".old").count() == 0
    return noticed_s, gone_s


async def _says(page, *texts):
    told = await page.locator("#old").inner_text()
    return any(text in told for text in texts)


async def _figure(page, name):
    figure = page.locator(".figure", has=page.get_by_text(name, exact=True))
    return int((await figure.locator("dd").inner_text()).split()[0])


async def _status(url):
    with Program("hookbus-worker", "status", "--json", redis_url=url) as program:
        assert await program.until_ended() == 0
        return json.loads("".join(program.raw))
