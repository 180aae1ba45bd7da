import asyncio
import contextlib
import dataclasses
import time

import pytest

from hookbus.shared import keys
from hookbus.shared.settings import ConfigError
from hookbus.worker.console import look as looks
from hookbus.worker.console import looker, pace
from hookbus.worker.console.looker import Looker
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, commandstats
from tests.worker.dead_letters import create_groups


@contextlib.asynccontextmanager
async def looking(client):
    """A looker at work."""
    at_work = Looker(client, 1)
    task = asyncio.create_task(at_work.run())
    try:
        yield at_work
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_however_many_ask_there_is_one_look_for_each_interval(client):
    await create_groups(client, GROUP)
    async with looking(client) as console:
        await until(lambda: console.last)
        await client.execute_command("CONFIG", "RESETSTAT")
        seen = await asyncio.gather(*(console.current() for _ in range(200)))
        assert {each.number for each in seen} == {1}
        assert "smembers" not in await commandstats(client)


async def test_when_nobody_asks_there_is_a_look_a_minute_and_the_first_page_gets_a_new_one(client, monkeypatch):
    monkeypatch.setattr(looker, "ASKED_S", 0.0)
    monkeypatch.setattr(pace, "fresh_s", lambda *_: 0.0)
    await create_groups(client, GROUP)
    async with looking(client) as console:
        await until(lambda: console._is_idle)  # until somebody asks, or a minute has passed
        assert console.last.number == 1
        assert (await console.current()).number == 2


async def test_no_page_waits_for_a_look_that_is_not_due(client, monkeypatch):
    monkeypatch.setattr(pace, "fresh_s", lambda *_: 0.0)
    monkeypatch.setattr(pace, "pause_s", lambda _: 60.0)
    await create_groups(client, GROUP)
    async with looking(client) as console:
        await console.current()
        await until(lambda: console._began_s is None)
        await asyncio.wait_for(console.current(), 1)
        assert console.is_old


async def test_pages_wait_for_a_look_that_hangs_once_and_no_longer(client, monkeypatch):
    monkeypatch.setattr(pace, "fresh_s", lambda *_: 0.0)
    monkeypatch.setattr(pace, "pause_s", lambda _: 0.01)
    await create_groups(client, GROUP)
    async with looking(client) as console:
        await console.current()
        hanging = asyncio.Event()

        async def hang(*_):
            hanging.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(looks, "fetch", hang)
        await hanging.wait()
        monkeypatch.setattr(looker, "WAIT_S", 0.2)
        await console.current()
        began_s = time.monotonic()
        for _ in range(20):
            assert (await console.current()).number
        assert time.monotonic() - began_s < 1


async def test_a_look_that_met_a_hang_makes_no_later_one_slow(client, monkeypatch):
    monkeypatch.setattr(pace, "INTERVAL_S", 0.01)
    await create_groups(client, GROUP)
    async with looking(client) as console:
        await until(lambda: _number(console, 2))
        found = looks.fetch

        async def late(*args):
            return dataclasses.replace(await found(*args), took_s=4.0)

        with monkeypatch.context() as patched:
            patched.setattr(looks, "fetch", late)
            await until(lambda: console.last.took_s == 4.0)
            patched.undo()
        assert console.fresh_s - 4.0 < pace.GRACE_TIMES * 4.0
        await until(lambda: console.last.took_s < 4.0)


async def test_a_key_that_cannot_be_read_is_a_problem_that_pages_tell_and_no_end(client, monkeypatch):
    monkeypatch.setattr(pace, "INTERVAL_S", 0.01)
    await create_groups(client, GROUP)
    async with looking(client) as console:
        await console.current()
        await client.execute_command("SADD", KEYS.types, b"\xff")
        await until(lambda: "its log says why" in console.problem)
        await client.execute_command("SREM", KEYS.types, b"\xff")
        await until(lambda: not console.problem)


async def _number(console, number):
    current = await console.current()
    return current if current.number >= number else None


async def test_another_layout_ends_the_start_and_a_refusal_later_does_not(client):
    await create_groups(client, GROUP)
    async with looking(client) as console:
        await until(lambda: console.last)
        await client.execute_command("HSET", keys.META, "layout", 99)
        await until(lambda: _problem(console))
        assert "data layout 99" in console.problem
        assert console.is_old
    with pytest.raises(ConfigError, match="data layout 99"):
        await Looker(client, 1).run()


async def _problem(console):
    await console.current()
    return console.problem


async def test_a_stop_at_the_moment_of_a_request_is_a_stop(client):
    await create_groups(client, GROUP)
    console = Looker(client, 1)
    task = asyncio.create_task(console.run())
    await until(lambda: console.last)
    await asyncio.sleep(0)
    asking = asyncio.create_task(console.current())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task, asking], timeout=5)
    assert task.cancelled()


async def test_who_has_changed_something_gets_a_look_of_after_that_though_none_is_due(client, monkeypatch):
    monkeypatch.setattr(pace, "pause_s", lambda _: 60.0)
    await create_groups(client, GROUP)
    async with looking(client) as console:
        await console.current()
        await create_groups(client, "audit")
        found = await console.renew()
        assert found is not None
        assert set(found.bus.status.groups) == {GROUP, "audit"}


async def test_after_a_change_every_page_waits_for_a_look_that_has_it_but_not_for_a_redis_that_hangs(
    client, monkeypatch
):
    monkeypatch.setattr(pace, "pause_s", lambda _: 60.0)
    monkeypatch.setattr(looker, "WAIT_S", 0.5)
    await create_groups(client, GROUP)
    async with looking(client) as console:
        await console.current()
        await create_groups(client, "audit")
        console.changed()
        for found in await asyncio.gather(*(console.current() for _ in range(3))):
            assert set(found.bus.status.groups) == {GROUP, "audit"}
        monkeypatch.setattr(looks, "fetch", lambda *_: asyncio.Event().wait())
        console.changed()
        assert await asyncio.wait_for(console.current(), 5) is found
