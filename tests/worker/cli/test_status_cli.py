"""`hookbus-worker status` from outside."""

import asyncio
import json
import os
import pty
import signal
import subprocess

from hookbus.shared.clock import now_ms
from hookbus.shared.keys import Keys
from tests.programs import BIN, ROOT
from tests.worker.builders import a_membership
from tests.worker.commands import environment, objects, succeeded, worker
from tests.worker.dead_letters import create_groups, letter, store_letters

KEYS = Keys(0)


async def stored(client):
    """Three events for a group, one orphan, one dead letter."""
    await create_groups(client)
    await a_membership(client, KEYS, "billing", "earliest").join(["response.completed"])
    for event_type, count in (("response.completed", 3), ("odd.type", 1)):
        await client.execute_command("SADD", KEYS.types, event_type)
        for _ in range(count):
            await client.execute_command("XADD", KEYS.stream(event_type), "*", "id", "wh_1")
    await store_letters(client, letter("wh_1"))


async def test_json_is_one_object_with_stable_keys(client, redis_url):
    await stored(client)
    (found,) = objects(redis_url, "status", "--json")
    row = found["groups"]["billing"]["types"]["response.completed"]
    assert 0 <= row.pop("oldest_age_s") < 60
    assert found == {
        "groups": {
            "billing": {
                "consumers_alive": 0,
                "consumers": 0,
                "delayed": 0,
                "next_due_ms": None,
                "snoozed": 0,
                "snoozed_since_ms": None,
                "snoozed_until_ms": None,
                "dead": 1,
                "losses": 0,
                "dropped": 0,
                "missing": 0,
                "abandoned_s": None,
                "paused": {},
                "breakers": {},
                "held": {},
                "types": {"response.completed": {"backlog": 3, "in_flight": 0, "oldest_in_flight_s": None}},
                "unread": {},
                "unsubscribed": {},
                "disputed": [],
                "unknown_sources": {},
                "waiting_suspects": {},
            }
        },
        "orphans": {"odd.type": 1},
        "shards": 1,
        "unusable": {},
        "sources": [],
        "not_ready": {},
        "processes": 0,
        "memory_share": 0.0,
        "can_save": True,
    }


async def test_the_table_has_one_line_per_group_and_type_within_80_columns(client, redis_url):
    await stored(client)
    await client.execute_command("ZADD", KEYS.delayed("billing"), 4_000_000_000_000, "a")
    await client.execute_command("HSET", KEYS.consumers("billing"), "c", "{}")
    await client.execute_command("SET", KEYS.alive("c"), 1)
    await client.execute_command("HSET", KEYS.losses, "billing", 2)
    lines = succeeded(redis_url, "status").splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[:2] == ["1 group · 2 data losses · 1 dead · 1 orphan · 3 backlog · 1 delayed", ""]
    assert lines[2].startswith("billing  1 of 1 consumer alive · 1 dead letter · 1 delayed, next in ")
    assert lines[3] == "  data loss: its streams vanished 2 times and were created again"
    (row,) = [line.split() for line in lines if "response.completed" in line]
    assert row[:3] == ["response.completed", "3", "0"]
    assert [line.split() for line in lines if "odd.type" in line] == [["odd.type", "1"]]


async def test_an_unused_redis_is_reported_and_is_no_failure(client, redis_url):
    assert succeeded(redis_url, "status").startswith("unused: ")
    found = json.loads(succeeded(redis_url, "status", "--json"))
    assert found == {
        "groups": {},
        "orphans": {},
        "shards": 0,
        "unusable": {},
        "sources": [],
        "not_ready": {},
        "processes": 0,
        "memory_share": 0.0,
        "can_save": True,
    }
    assert await client.execute_command("DBSIZE") == 0


async def test_watch_redraws_until_ctrl_c_and_survives_a_refusal(client, redis_url):
    await stored(client)
    assert worker(redis_url, "status", "--watch", "--json").returncode == 2
    terminal, program_end = pty.openpty()
    screen = b""

    def read_until(text: bytes):
        nonlocal screen
        while text not in screen:
            screen += os.read(terminal, 10_000)
        screen = screen.partition(text)[2]

    process = subprocess.Popen(
        [str(BIN / "hookbus-worker"), "status", "--watch"],
        cwd=ROOT,
        env=environment(redis_url, NO_COLOR="1", TERM="xterm"),
        stdin=program_end,
        stdout=program_end,
        stderr=program_end,
        start_new_session=True,
    )
    try:
        await asyncio.to_thread(read_until, b"1 dead")
        await client.execute_command("SET", KEYS.consumers("billing"), "not a hash")
        await asyncio.to_thread(read_until, b"WRONGTYPE")
        await client.execute_command("DEL", KEYS.consumers("billing"))
        await store_letters(client, letter("wh_2"))
        await asyncio.to_thread(read_until, b"2 dead")
        process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(process.wait, 10) == 0
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
        os.close(program_end)


async def test_the_table_says_how_many_wait_because_their_handler_asked_for_it_since_and_until_when(client, redis_url):
    await stored(client)
    now = now_ms()
    await client.execute_command("ZADD", KEYS.delayed("billing"), now + 200_000, "a", now + 100_000, "b")
    await client.execute_command("ZADD", KEYS.snoozed("billing"), now - 7_200_000, "a")
    text = " ".join(succeeded(redis_url, "status").split())
    assert "2 delayed, next in 1m 1 of them snoozed by their handler, the longest since 2h, for 3m more" in text
