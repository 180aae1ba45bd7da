"""What Redis does not tell in time costs a page that part, and no more."""

import asyncio

import pytest

from hookbus.worker import audit
from hookbus.worker.console import parts
from hookbus.worker.dlq.query import DeadLetters
from hookbus.worker.find import of_copy
from hookbus.worker.inspect import processes
from hookbus.worker.retries.query import Retries
from tests.worker.builders import GROUP, KEYS
from tests.worker.console.serving import read, serving
from tests.worker.console.two_groups import two_groups
from tests.worker.dead_letters import letter, store_letters
from tests.worker.parked import park

LETTER = f"/dead/{GROUP}/wh_dead"


@pytest.fixture
async def bus(client, redis_url):
    await two_groups(client)
    await store_letters(client, letter("wh_dead"), letter("wh_other"))
    await park(client, "wh_parked", group=GROUP)
    return redis_url


async def _hang(*_args, **_options):
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("path", "status", "hanging", "named", "kept"),
    [
        (f"/groups/{GROUP}", 200, (processes, "fetch"), "its consumers", "wh_parked"),
        (f"/groups/{GROUP}", 200, (Retries, "page"), "its retries", "Backlog</th>"),
        (LETTER, 200, (of_copy, "life"), "its event in other groups", "2 letters"),
        (LETTER, 200, (DeadLetters, "newer"), "others of its cause", "no such customer"),
        (f"/dead/{GROUP}/wh_gone", 404, (audit, "fetch"), "what became of it", "No dead letter wh_gone"),
    ],
)
async def test_a_page_without_one_of_its_parts_says_which_and_why(bus, monkeypatch, path, status, hanging, named, kept):
    async with serving(bus, console_role="operator") as session:
        await read(session, "/health")
        with monkeypatch.context() as patched:
            patched.setattr(*hanging, _hang)
            patched.setattr(parts, "PART_S", 0.1)
            answered, page = await read(session, path)
        _, whole = await read(session, path)
    assert answered == status
    assert f"Not known: {named} (Redis has not answered for 0.1 s)" in page
    assert "see above" in page.lower()
    assert (kept in whole, kept in page) == (True, True)
    assert ("Not known" in whole, "see above" in whole.lower()) == (False, False)


async def test_a_part_that_redis_refuses_or_that_is_no_text_is_named_too(client, bus):
    unasked = {}
    for name, part in {"refused": client.execute_command("GET", KEYS.groups), "no text": _undecodable()}.items():
        assert await parts.read(name, part, unasked) is None
    assert unasked["refused"].startswith("WRONGTYPE")
    assert unasked["no text"].startswith("it holds what this release can't read ('utf-8' codec")


async def _undecodable():
    return b"\xff".decode()
