"""Every command that changes something records it, or changes nothing; `hookbus-worker actions` shows it."""

import asyncio
import signal

import pytest

from hookbus.shared.keys import HOME, Keys
from hookbus.worker.__main__ import app
from hookbus.worker.cli import recorded
from hookbus.worker.inventory.suspensions import KEY, Opened, encode, field
from tests.command_tree import leaves
from tests.programs import Program
from tests.wait import until
from tests.worker.builders import TYPE
from tests.worker.commands import objects, succeeded, worker
from tests.worker.dead_letters import letter, store_letters, subscribe
from tests.worker.parked import park
from tests.worker.retained_events import hand_out, retain

KEYS = Keys(0)
READING = {
    "run", "console", "exporter", "status", "processes", "find", "statistics", "check", "actions", "verify",
    "dlq list", "dlq groups", "dlq show", "dlq export",
    "retries list", "retries groups", "retries show",
}  # fmt: skip
"""Commands that change no delivery of a group; `verify` has a group of its own, and `run` is no action of a person."""
GONE = "eval.run.failed"
CHANGING = {
    "retries now": ("--error", "ValueError"),
    "retries dead-letter": ("--group", "billing", "--type", GONE),
    "dlq redrive": ("--type", TYPE, "--yes"),
    "dlq discard": ("--all", "--yes"),
    "dlq import": ("FILE",),
    "pause": ("billing",),
    "resume": ("billing",),
    "replay": ("billing", "--yes"),
    "forget": ("billing", "--yes"),
}
"""Command → its arguments. Each has something to do in `changing`, also in this order."""


def commands() -> dict[str, set[str]]:
    """Command → its options."""
    return {words: {text for each in command.params for text in each.opts} for words, command in leaves(app).items()}


def test_every_command_reads_or_is_known_to_change_something_and_takes_a_reason():
    options = commands()
    assert set(options) == READING | set(CHANGING)
    assert {name for name, names in options.items() if "--why" in names} == set(CHANGING)


@pytest.fixture
async def changing(client, redis_url, tmp_path) -> dict[str, list[str]]:
    """A group for which every changing command has something to do; returns each with its arguments."""
    await subscribe(client, TYPE)
    await retain(client, "wh_1")
    await hand_out(client)
    await store_letters(client, letter("wh_2"), letter("wh_3", type=GONE))
    succeeded(redis_url, "dlq", "redrive", "--id", "wh_3", "--include-unsubscribed")
    await store_letters(client, letter("wh_4"))
    await park(client, "wh_5")
    succeeded(redis_url, "dlq", "export", "--file", str(tmp_path / "letters"))
    opened = encode(Opened("f", "E", 1, 2))
    await client.execute_command("HSET", KEY, field("billing", TYPE), opened)
    await client.execute_command("DEL", HOME.audit)
    return {
        name: [*name.split(), *(str(tmp_path / "letters") if each == "FILE" else each for each in arguments)]
        for name, arguments in CHANGING.items()
    }


async def content(client) -> dict[bytes, bytes]:
    """All keys with their content."""
    return {name: await client.execute_command("DUMP", name) for name in await client.execute_command("KEYS", "*")}


async def test_a_command_that_cannot_record_its_action_changes_nothing(client, redis_url, changing):
    await client.execute_command("SET", HOME.audit, "of another type")
    before = await content(client)
    for name, command in changing.items():
        found = await asyncio.to_thread(worker, redis_url, *command)
        assert (found.returncode, b"nothing was changed" in found.stderr) == (1, True), (name, found.stderr)
        assert await content(client) == before, name


async def test_each_command_records_who_did_what_and_why(client, redis_url, changing):
    for command in changing.values():
        await asyncio.to_thread(succeeded, redis_url, *command, "--why", f"why {command[0]}", SUDO_USER="ann")
    recorded_ = objects(redis_url, "actions", "--json")[::-1]
    assert [each["verb"] for each in recorded_] == list(CHANGING)
    assert {each["who"].partition("@")[0] for each in recorded_} == {"ann"}
    assert {each["result"] for each in recorded_} == {"done"}
    assert all(each["why"].startswith("why ") and each["ended_ms"] >= each["begun_ms"] for each in recorded_)
    figures = {each["verb"]: (each["matching"], each["moved"]) for each in recorded_}
    assert figures == {
        "retries now": (1, 1), "retries dead-letter": (1, 1),
        "dlq redrive": (2, 2), "dlq discard": (1, 1), "dlq import": (None, 2),
        "pause": (None, 1), "resume": (None, 2), "replay": (1, 1), "forget": (6, 6),
    }  # fmt: skip
    text = succeeded(redis_url, "actions", "--limit", "1")
    assert "replay" not in text
    assert all(part in text for part in ("ann@", "forget --group billing", "done: 6", ": why forget"))


async def test_a_stopped_redrive_and_a_killed_one_are_recorded_as_such(client, redis_url):
    await subscribe(client, TYPE)
    await store_letters(client, *(letter(f"wh_{i:03}") for i in range(300)))

    async def begun_again() -> bool:
        return await client.execute_command("XLEN", HOME.audit) == 2

    slow = ("hookbus-worker", "dlq", "redrive", "--all", "--rate", "20")
    with Program(*slow, redis_url=redis_url) as redrive:
        await until(lambda: client.execute_command("XLEN", KEYS.redelivery(TYPE, "billing")))
        assert await redrive.end(signal.SIGINT) == 130
    with Program(*slow, redis_url=redis_url) as redrive:
        await until(begun_again)
        await redrive.end(signal.SIGKILL)
    killed, stopped = objects(redis_url, "actions", "--json")
    assert (stopped["result"], stopped["matching"]) == ("stopped", 300)
    assert 0 < stopped["moved"] < 300
    assert (killed["result"], killed["ended_ms"]) == ("", None)
    assert "no end recorded: it runs, or was killed" in succeeded(redis_url, "actions")


def test_no_action_yet(redis_url):
    assert succeeded(redis_url, "actions") == "no actions\n"
    assert objects(redis_url, "actions", "--json") == []


def test_the_person_is_the_one_behind_sudo_else_the_user_else_the_id_of_the_process():
    assert recorded.who({"SUDO_USER": "ann", "USER": "root"}).startswith("ann@")
    assert recorded.who({"USER": "bob"}).startswith("bob@")
    assert not recorded.who({}).startswith("@")
