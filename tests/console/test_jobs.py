"""Consoles that are killed while they move something, and those that go on: watched, stopped and ended in browsers."""

import aiohttp
import pytest

from hookbus.shared.clock import now_ms
from hookbus.worker.console.verbs import VERBS
from tests.console.browser import console, contexts
from tests.console.test_actions import OPERATOR
from tests.programs import Program, Worker
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, OWN_STREAM
from tests.worker.console.pages.test_plan import ended, form_of, post
from tests.worker.console.serving import read
from tests.worker.console.test_same_verbs import SAME
from tests.worker.dead_letters import letter, store_letters, subscribe
from tests.worker.parked import park
from tests.worker.retained_events import hand_out, retain

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.slow]
LETTERS = 20_000
SOME = 600
COMMAND = ("hookbus-worker", "console", "--listen", "127.0.0.1:0", *OPERATOR)
HANDLES = "plain"
"""A group whose worker handles everything."""


@pytest.mark.timeout(180)
async def test_twenty_thousand_letters_are_watched_by_all_stopped_interrupted_and_moved_to_the_last(client, redis_url):
    with Worker(redis_url, HANDLES) as worker:
        await worker.until_working()
        await store_letters(client, *(letter(f"wh_{i}", group=HANDLES) for i in range(LETTERS)))
        with Program(*COMMAND, redis_url=redis_url) as killed:
            url = (await killed.until_logged("serving"))["url"].rstrip("/")
            async with contexts(url, "net::ERR_") as new:
                first, second = await new(), await new()
                await first.goto(f"/dead?group={HANDLES}")
                await first.get_by_role("button", name="Redrive these…").click()
                await first.get_by_label("How many a second").fill("2000")
                await first.get_by_role("button", name="Redrive 20,000").click()
                await first.wait_for_url("**/jobs/*")
                place = first.url.removeprefix(url)
                await second.goto(place)
                for page in (first, second):
                    await until(lambda page=page: _moves(page))
                seen = await _moved(second)
                await first.reload()
                assert await _moved(first) >= seen
                killed.process.kill()
                await killed.until_ended()
        async with console(redis_url, *OPERATOR) as url, contexts(url) as new:
            page = await new()
            await page.goto(place)
            await page.get_by_role("heading", name="dlq redrive: interrupted").wait_for()
            # At once: a busy browser has no time for more until the rest has moved.
            await page.get_by_role("button", name="Go on").click()
            await page.get_by_role("button", name="Stop").click()
            await page.get_by_text("are left, and stay dead letters").wait_for()
            left = await client.execute_command("ZCARD", KEYS.dead(HANDLES))
            assert left > 0
            await until(lambda: _handled(client, LETTERS - left))
            await page.get_by_role("button", name="Go on").click()
            await page.get_by_role("heading", name="dlq redrive: done").wait_for()
            assert await client.execute_command("ZCARD", KEYS.dead(HANDLES)) == 0
            await until(lambda: _handled(client, LETTERS))
    assert await client.execute_command("ACL", "LOG") == []


async def _moved(page):
    return int((await page.locator("#moved").inner_text()).replace(",", ""))


async def _moves(page):
    """Whether the bar grows without a reload."""
    before = await _moved(page)
    await page.wait_for_function(
        "before => Number(document.querySelector('#moved').innerText.replaceAll(',', '')) > before", arg=before
    )
    return True


async def _handled(client, count):
    """Whether so many letters were handled, each once."""
    names = await client.execute_command("LRANGE", f"test:handled:{HANDLES}", 0, -1)
    assert len(names) == len(set(names))
    return len(names) == count


async def _letters(client, names):
    await store_letters(client, *map(letter, names))


async def _parked(client, names):
    await park(client, *names)


async def _events(client, names):
    await retain(client, *names)
    await hand_out(client)


async def _dead(client):
    return await client.execute_command("ZCARD", KEYS.dead(GROUP))


async def _due(client):
    return await client.execute_command("ZCOUNT", KEYS.delayed(GROUP), 0, now_ms())


async def _queued(client):
    entries = await client.execute_command("XRANGE", OWN_STREAM, "-", "+")
    return len({fields[fields.index(b"id") + 1] for _, fields in entries})


MOVED = {
    "redrive": (_letters, _queued),
    "discard": (_letters, lambda client: _left(client, _dead)),
    "now": (_parked, _due),
    "dead-letter": (_parked, _dead),
    "replay": (_events, _queued),
}
"""Verb → what writes the things that it moves, and what counts those that it has moved. A verb that takes
all there is has no rate at which it could be caught."""


async def _left(client, count):
    return SOME - await count(client)


@pytest.mark.parametrize("verb", [name for name, verb in VERBS.items() if not verb.is_whole])
async def test_a_killed_console_leaves_an_interrupted_job_of_each_verb_and_the_next_one_ends_it(
    client, redis_url, verb
):
    write, moved = MOVED[verb]
    await subscribe(client, "response.*")
    await write(client, [f"wh_{i:03}" for i in range(SOME)])
    with Program(*COMMAND, redis_url=redis_url) as killed:
        async with aiohttp.ClientSession((await killed.until_logged("serving"))["url"]) as session:
            _, page = await post(session, "/plan", **SAME[VERBS[verb].action].form)
            status, place = await post(session, "/run", **form_of(page), rate="100", typed=str(SOME))
            assert status == 303, place
            await until(lambda: _shows(session, place, "a second · "))
        killed.process.kill()
        await killed.until_ended()
    assert 0 < await moved(client) < SOME
    async with console(redis_url, *OPERATOR) as url, contexts(url) as new, aiohttp.ClientSession(url) as session:
        page = await new()
        await page.goto(place)
        await page.get_by_role("heading", name=f"{VERBS[verb].action}: interrupted").wait_for()
        await page.get_by_role("button", name="Go on").click()
        await page.wait_for_function("before => location.pathname !== before", arg=place)
        following = page.url.removeprefix(url)
        assert (await ended(client, place)).result == "stopped"
        await until(lambda: _has_moved(client, moved))
        assert (await ended(client, following)).result == "done"
    assert await client.execute_command("ACL", "LOG") == []


async def _has_moved(client, moved):
    return await moved(client) == SOME


async def _shows(session, place, text):
    return text in (await read(session, place))[1]
