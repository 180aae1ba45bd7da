"""A program of a user's own that runs a worker beside its own work."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from hookbus.shared.keys import Keys
from tests import users
from tests.programs import ROOT
from tests.wait import PATIENCE_S, until
from tests.worker.builders import store

KEYS = Keys(0)
HOST = """
import asyncio, logging, os, sys
import hookbus
from tests.end_to_end.handlers import plain

async def main():
    settings = {"redis_url": os.environ["URL"]}
    async with asyncio.TaskGroup() as tasks:
        worker = tasks.create_task(hookbus.run_worker([plain], settings=settings))
        print("started", flush=True)
        if "wait" in sys.argv:
            await asyncio.to_thread(sys.stdin.readline)
            worker.cancel()

asyncio.run(main())
print("its own work goes on", flush=True)
"""


def host(folder: Path, redis_url: str, *arguments: str) -> "subprocess.Popen[str]":
    file = folder / "host.py"
    file.write_text(textwrap.dedent(HOST))
    url = users.login(redis_url, "hookbus-worker", "run")
    return subprocess.Popen(
        [sys.executable, file, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "URL": url, "TEST_REDIS_URL": redis_url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def test_a_worker_in_a_program_handles_events_and_prints_nothing(redis_url, handled, client, tmp_path):
    await store(client, "wh_1")
    with host(tmp_path, redis_url, "wait") as program:
        await until(lambda: handled("plain") == ["wh_1"])
        out, err = program.communicate("\n", timeout=PATIENCE_S)
    assert (program.returncode, out, err) == (0, "started\nits own work goes on\n", "")
    assert await client.execute_command("HKEYS", KEYS.consumers("plain")) == [], "it left its group"


@pytest.mark.parametrize(("number", "drains"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
async def test_signals_do_what_the_program_lets_them_do(redis_url, handled, client, tmp_path, number, drains):
    await store(client, "wh_1")
    with host(tmp_path, redis_url) as program:
        await until(lambda: handled("plain") == ["wh_1"])
        program.send_signal(number)
        _, err = program.communicate(timeout=PATIENCE_S)
    assert program.returncode == -number
    assert err.rstrip().endswith("KeyboardInterrupt" if drains else "")
    assert (await client.execute_command("HKEYS", KEYS.consumers("plain")) == []) is drains
