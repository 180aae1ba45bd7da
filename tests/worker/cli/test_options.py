"""The tools on a machine whose clock is wrong: what is stored has Redis' time, and so have they."""

import subprocess
import sys

import pytest

from hookbus.shared.clock import now_ms
from tests.programs import ROOT
from tests.wait import PATIENCE_S
from tests.worker.builders import TYPE
from tests.worker.commands import environment
from tests.worker.dead_letters import letter, store_letters, subscribe
from tests.worker.parked import park

MINUTE_MS = 60_000
OFF = """
import sys, time
right_ns, off_ns = time.time_ns, int(sys.argv.pop(1)) * 60 * 10**9
time.time_ns = lambda: right_ns() + off_ns
from hookbus.worker.__main__ import main
main()
"""


def off(redis_url: str, minutes: int, *args: str, program: str = "worker") -> str:
    """The output of a tool on a machine whose clock is off."""
    script = OFF.replace("hookbus.worker", f"hookbus.{program}")
    command = [sys.executable, "-c", script, str(minutes), *args]
    found = subprocess.run(
        command, cwd=ROOT, env=environment(redis_url), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


@pytest.mark.parametrize("minutes", [-45, 45])
async def test_relative_times_and_ages_are_by_the_clock_of_redis(client, redis_url, minutes):
    await subscribe(client, TYPE)
    now = now_ms()
    letters = {"wh_5m": now - 5 * MINUTE_MS, "wh_30m": now - 30 * MINUTE_MS}
    await store_letters(client, *(letter(name, dead_lettered_at_ms=at_ms) for name, at_ms in letters.items()))
    text = off(redis_url, minutes, "dlq", "list", "--since", "15m")
    assert "wh_5m" in text
    assert "wh_30m" not in text
    assert "5m" in text.replace("wh_5m", ""), "its age"
    text = off(redis_url, minutes, "dlq", "list", "--until", "15m")
    assert "wh_30m" in text
    assert "wh_5m" not in text
    await park(client, "wh_1", due_ms=now + 10 * MINUTE_MS)
    assert "in 9m" in off(redis_url, minutes, "retries", "list")


def test_a_mistake_in_a_time_is_told_without_redis(tmp_path):
    env = environment(f"unix://{tmp_path}/nowhere")
    command = [sys.executable, "-m", "hookbus.worker", "dlq", "list", "--since", "yesterdayish"]
    found = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert found.returncode == 2
    assert "is neither an age" in found.stderr
