"""Suspects run in child processes of a worker, and the death of such a process harms nothing else."""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable

from hookbus import App
from hookbus.shared import scripts
from hookbus.shared.clock import now_ms
from hookbus.shared.entry import Entry, redelivery_fields
from hookbus.shared.keys import HANDOVER, Keys
from hookbus.worker.inventory.redeliveries import relist
from hookbus.worker.pipeline.dead_letter import decode
from tests.programs import ROOT, Worker, event_body
from tests.wait import until
from tests.worker.builders import TYPE, store
from tests.worker.commands import succeeded
from tests.worker.running import running

KEYS = Keys(0)
GROUP = "suspected"
STREAM = KEYS.stream(TYPE)


async def suspect(client, **plans: str) -> None:
    """Store events that two consumers died with, by name → what the handler does."""
    await client.execute_command("HSET", KEYS.groups, GROUP, "0")
    await client.execute_command("XGROUP", "CREATE", STREAM, GROUP, "0", "MKSTREAM")
    await client.execute_command("HSET", KEYS.consumers(GROUP), "dead", "{}")
    for name, plan in plans.items():
        await store(client, name, id=plan)
    reply = await client.execute_command("XREADGROUP", "GROUP", GROUP, "dead", "STREAMS", STREAM, ">")
    for entry_id, _ in reply[0][1]:
        await client.execute_command("XCLAIM", STREAM, GROUP, "dead", 0, entry_id, "RETRYCOUNT", 2)


async def suspect_again(client, name: str) -> None:
    """Make a suspect while a worker runs: the only one that reads is the dead consumer."""
    own = KEYS.redelivery(TYPE, GROUP)
    fields = redelivery_fields(Entry(name, "openai", now_ms(), event_body(id="ok")), 2, ())
    await client.execute_command("HSET", KEYS.consumers(GROUP), "dead", "{}")
    entry_id = await client.execute_command("XADD", own, "*", *fields)
    await scripts.run(client, relist(KEYS, GROUP, TYPE))
    await client.execute_command("XCLAIM", own, GROUP, "dead", 0, entry_id, "RETRYCOUNT", 2, "FORCE")


async def pending(client) -> list[tuple[str, int]]:
    """Consumer and times delivered of each pending delivery."""
    entries = await client.execute_command("XPENDING", STREAM, GROUP, "-", "+", 100)
    return [(consumer.decode(), times) for _, consumer, _, times in entries]


async def process_of(client, name: str) -> dict:
    """What the handler recorded about its process."""
    return json.loads(await client.execute_command("GET", f"test:process:{name}"))


def nothing_is_pending(client) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return not await pending(client)

    return check


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


async def test_g5_a_delivery_that_kills_its_process_ends_in_quarantine_and_harms_nothing_else(
    redis_url, handled, client
):
    await suspect(client, wh_killer="kill", wh_innocent="ok")
    with Worker(redis_url, GROUP) as worker:
        await until(lambda: client.execute_command("ZCARD", KEYS.dead(GROUP)), timeout_s=60)
        assert handled(GROUP) == ["wh_innocent"]
        await until(lambda: len(worker.logged("quarantine_ended", webhook_id="wh_killer", reason="signal 9")) == 3)
        await store(client, "wh_fresh")
        await until(lambda: "wh_fresh" in handled(GROUP))
        await until(nothing_is_pending(client))
        assert (await process_of(client, "wh_fresh"))["pid"] == worker.process.pid
        assert await worker.end() == 0
    letter = decode(await client.execute_command("HGET", KEYS.dead_data(GROUP), "wh_killer"))
    assert letter.reason == "worker_lost"
    assert await client.execute_command("EXISTS", KEYS.deaths(GROUP)) == 0


async def test_a_child_is_a_fresh_process_in_the_same_folder_with_the_same_environment(redis_url, handled, client):
    await suspect(client, wh_1="ok")
    environ = {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "1000000000", "TEST_OWN": "1"}
    with Worker(redis_url, GROUP, **environ) as worker:
        await until(lambda: handled(GROUP) == ["wh_1"])
        child = await process_of(client, "wh_1")
        assert child["parent"] == worker.process.pid
        assert (child["folder"], child["path"][0], child["TEST_OWN"]) == (str(ROOT), "", "1")
        assert not child.keys() & environ.keys() - {"TEST_OWN"}
        await until(lambda: "a line of the handler" in worker.raw)
        assert worker.tracebacks() == []
        assert await worker.end() == 0
        assert not is_running(child["pid"])


async def test_g10_at_a_stop_a_suspect_is_finished(redis_url, handled, client):
    await suspect(client, wh_1="wait")
    with Worker(redis_url, GROUP) as worker:
        await until(lambda: handled(GROUP, "started") == ["wh_1"])
        worker.process.send_signal(signal.SIGTERM)
        await worker.until_logged("draining")
        await client.execute_command("SET", "test:go", 1)
        assert await worker.until_ended() == 0
    assert handled(GROUP) == ["wh_1"]
    assert await pending(client) == []
    assert await client.execute_command("HKEYS", KEYS.consumers(GROUP)) == []


async def test_g10_a_child_that_is_stopped_finishes_its_suspect_and_the_next_one_runs_in_another(
    redis_url, handled, client
):
    """As by a SIGTERM to a whole control group."""
    await suspect(client, wh_1="wait")
    with Worker(redis_url, GROUP) as worker:
        await until(lambda: handled(GROUP, "started") == ["wh_1"])
        os.kill((await process_of(client, "wh_1"))["pid"], signal.SIGTERM)
        await client.execute_command("SET", "test:go", 1)
        await until(lambda: handled(GROUP) == ["wh_1"])
        await until(nothing_is_pending(client))
        await suspect_again(client, "wh_2")
        await until(lambda: handled(GROUP) == ["wh_1", "wh_2"])
        assert worker.logged("quarantine_ended") == []
        assert await worker.end() == 0
    assert await client.execute_command("EXISTS", KEYS.deaths(GROUP)) == 0


async def test_a_child_of_a_killed_worker_finishes_its_suspect_and_ends(redis_url, handled, client):
    await suspect(client, wh_1="wait")
    with Worker(redis_url, GROUP) as worker:
        await until(lambda: handled(GROUP, "started") == ["wh_1"])
        child = (await process_of(client, "wh_1"))["pid"]
        worker.process.kill()
        worker.process.wait()
        await client.execute_command("SET", "test:go", 1)
        await until(lambda: handled(GROUP) == ["wh_1"])
        await until(lambda: not is_running(child))
    assert await pending(client) == []


async def test_g5_innocents_of_a_worker_killed_with_its_children_are_handled(redis_url, handled, client):
    """As a container's OOM killer does: a death is noted for all of them, and from then on each runs alone."""
    await suspect(client, wh_1="wait", wh_2="wait", wh_3="wait")
    with Worker(redis_url, GROUP) as worker:
        await until(lambda: len(handled(GROUP, "started")) == 2)
        children = [(await process_of(client, name))["pid"] for name in handled(GROUP, "started")]
        for pid in (worker.process.pid, *children):
            os.kill(pid, signal.SIGKILL)
    await client.execute_command("SET", "test:go", 1)
    with Worker(redis_url, GROUP) as worker:
        await until(lambda: sorted(handled(GROUP)) == ["wh_1", "wh_2", "wh_3"], timeout_s=40)
        await until(lambda: len(worker.logged("quarantined", deaths=1)) == 2)
        blamed = worker.logged("quarantined", deaths=1)
        assert {line["webhook_id"] for line in blamed} == {"wh_1", "wh_2"}
        assert len({line["consumer"] for line in blamed}) == 2  # each in a process that ran none before
        await until(nothing_is_pending(client))
        assert await worker.end() == 0
    assert await client.execute_command("EXISTS", KEYS.deaths(GROUP)) == 0


async def test_suspects_of_a_stopped_worker_wait_without_a_death(redis_url, handled, client):
    await suspect(client, **{f"wh_{i}": "wait" for i in range(4)})
    with Worker(redis_url, GROUP, HOOKBUS_WORKER_GRACE_PERIOD_S="40") as worker:
        await until(lambda: len(handled(GROUP, "started")) == 2)
        ending = asyncio.create_task(worker.end())
        await worker.until_logged("draining")
        await client.execute_command("SET", "test:go", 1)
        assert await ending == 0
    assert await pending(client) == [(HANDOVER, 2)] * 2


async def test_check_tells_that_suspects_wait_as_long_as_no_worker_has_a_target(redis_url, handled, client):
    """The worker inside another program, here the tests, takes over all others."""
    embedded, began = App(GROUP), []

    @embedded.on(TYPE)
    async def handle(event: dict) -> None:
        began.append(event)

    await suspect(client, wh_1="ok", wh_2="ok")
    async with running(redis_url, embedded):
        found = await asyncio.to_thread(succeeded, redis_url, "check")
        assert f"warning waiting_suspects: {GROUP}: 2 suspects of {TYPE} wait for a worker with a quarantine" in found
        assert f"2 suspects of {TYPE} wait" in " ".join(
            (await asyncio.to_thread(succeeded, redis_url, "status")).split()
        )
        with Worker(redis_url, GROUP) as worker:
            await until(lambda: sorted(handled(GROUP)) == ["wh_1", "wh_2"])
            await until(nothing_is_pending(client))
            assert "waiting_suspects" not in await asyncio.to_thread(succeeded, redis_url, "check")
            assert await worker.end() == 0
    assert began == []
