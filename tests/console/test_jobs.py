"""A console that is killed while it moves letters, and the one that goes on."""

import aiohttp
import pytest

from tests.console.browser import console
from tests.programs import Program
from tests.wait import until
from tests.worker.builders import GROUP, KEYS
from tests.worker.console.pages.test_plan import ended, form_of, post
from tests.worker.console.serving import read
from tests.worker.dead_letters import letter, store_letters, subscribe

LETTERS = 20_000


@pytest.mark.slow
async def test_a_killed_console_leaves_an_interrupted_job_and_the_next_one_ends_it(client, redis_url):
    await subscribe(client, "response.*")
    await store_letters(client, *(letter(f"wh_{i}") for i in range(LETTERS)))
    with Program(
        "hookbus-worker", "console", "--listen", "127.0.0.1:0", "--role", "operator", redis_url=redis_url
    ) as killed:
        async with aiohttp.ClientSession((await killed.until_logged("serving"))["url"]) as session:
            _, page = await post(session, "/plan", verb="redrive")
            status, place = await post(session, "/run", **form_of(page), rate="2000")
            assert status == 303
            await until(lambda: _shows(session, place, "a second · "))
        killed.process.kill()
        await killed.until_ended()
    moved, dead = await _counts(client)
    assert (0 < moved < LETTERS, moved + dead) == (True, LETTERS)
    async with console(redis_url, "--role", "operator") as url, aiohttp.ClientSession(url) as session:
        await until(lambda: _shows(session, place, "dlq redrive: interrupted"))
        status, following = await post(session, f"{place}/go-on")
        assert status == 303
        assert (await ended(client, following)).result == "done"
        assert (await ended(client, place)).result == "stopped"
    assert await _counts(client) == (LETTERS, 0)
    assert await client.execute_command("ACL", "LOG") == []


async def _shows(session, place, text):
    return text in (await read(session, place))[1]


async def _counts(client):
    """Letters that are on their way to their group, each once, and dead ones."""
    moved = await client.execute_command("XRANGE", KEYS.redelivery("response.completed", GROUP), "-", "+")
    names = {fields[fields.index(b"id") + 1] for _, fields in moved}
    assert len(names) == len(moved)
    return len(moved), await client.execute_command("ZCARD", KEYS.dead(GROUP))
