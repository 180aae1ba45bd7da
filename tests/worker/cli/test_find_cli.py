"""`hookbus-worker find` as a process, on what real workers leave behind."""

import json
import signal
import subprocess
import sys

import pytest

from hookbus import App, Reject
from hookbus.shared.clock import now_ms
from hookbus.worker.find import search
from tests.programs import ROOT
from tests.wait import PATIENCE_S, until
from tests.worker.builders import TYPE, store
from tests.worker.commands import environment, objects, succeeded, worker
from tests.worker.running import running


def failing() -> list[App]:
    """One group whose handler rejects, one that handles, one that fails for now, and one of another type."""
    billing, audit, mail, phone = (App(name) for name in ("billing", "audit", "mail", "phone"))

    @billing.on(TYPE)
    async def reject(event: dict) -> None:
        raise Reject("no such \x1b[31mcustomer")

    @audit.on("*")
    async def handle(event: dict) -> None:
        pass

    @mail.on(TYPE)
    async def fail(event: dict) -> None:
        raise ValueError("the mail server is away")

    @phone.on("realtime.*")
    async def call(event: dict) -> None:
        pass

    return [billing, audit, mail, phone]


async def test_where_an_event_is_in_every_group(client, redis_url):
    async with running(redis_url, *failing()):
        await store(client, "wh_1", id="evt_1", filler="resp_123")

        async def states() -> dict[str, str]:
            (life,) = (await search.find(client, 1, "wh_1")).lives
            return {group: type(each.states[0]).__name__ for group, each in life.groups.items()}

        async def are_settled() -> bool:
            return await states() == {"audit": "Handled", "billing": "Dead", "mail": "Retry", "phone": "NotSubscribed"}

        await until(are_settled)
        text = succeeded(redis_url, "find", "evt_1")
        assert max(map(len, text.splitlines())) <= 80
        lines = text.split("GROUP")[1].splitlines()
        groups = {line.split()[0]: line for line in lines[1:] if line and not line.startswith(" ")}
        assert groups["audit"].split() == ["audit", "handled"]
        assert groups["billing"].split()[1:3] == ["dead", "for"]
        assert "hookbus-worker dlq show wh_1 --group billing" in text
        assert "\\x1b[31mcustomer" in text
        assert groups["mail"].split()[1:3] == ["retry:", "attempt"]
        assert groups["phone"].split() == ["phone", "not", "subscribed"]
        for name in ("wh_1", "evt_1", "resp_123"):
            (found,) = objects(redis_url, "find", name, "--json")
            (event,) = found["events"]
            assert (event["webhook_id"], event["type"], event["source"]) == ("wh_1", TYPE, "openai")
            found_states = {
                group: [state["state"] for state in each["states"]] for group, each in event["groups"].items()
            }
            assert found_states == {
                "audit": ["handled"], "billing": ["dead"], "mail": ["retry"], "phone": ["not_subscribed"],
            }  # fmt: skip


async def test_an_unknown_id_says_what_was_searched(client, redis_url):
    await store(client, "wh_2", entry_id=f"{now_ms() - 5 * 3_600_000}-0", id="evt_2")
    found = worker(redis_url, "find", "evt_2")
    assert found.returncode == 1
    lines = found.stdout.decode().splitlines()
    assert lines[0].startswith("evt_2 is not in Redis: never stored here, or trimmed, or older than 2")
    assert lines[1].startswith("searched: 0 events back to 2")
    assert lines[2] == "for more: --since 3d, --all"
    assert succeeded(redis_url, "find", "evt_2", "--since", "6h")


STOPPED = """
import sys
from hookbus.worker.cli import find_run
from hookbus.worker.find import search
from hookbus.worker.find.search import Found

async def find(*args, stopping, **options):
    print("searching", flush=True)
    await stopping.wait()
    return Found(entries=7, reached_ms=5, is_stopped=True)

search.find = find
sys.exit(find_run.run(None, "evt_1", None, is_all=True, as_json="--json" in sys.argv))
"""


@pytest.mark.parametrize("option", ["", "--json"])
def test_ctrl_c_ends_a_search_and_says_how_far_it_came(redis_url, option):
    command = [sys.executable, "-c", STOPPED, option]
    env = environment(redis_url)
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "searching\n"
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    if option:
        assert json.loads(output)["searched"]["interrupted"] is True
    else:
        assert output.splitlines()[0] == "evt_1 was not found, but not all was searched"
        assert output.splitlines()[1].startswith("searched: 7 events back to 1970")


def test_an_id_has_a_character_and_no_control_characters(redis_url):
    for name in ("", " ", "wh_\x1b[31m"):
        assert worker(redis_url, "find", name).returncode == 2
