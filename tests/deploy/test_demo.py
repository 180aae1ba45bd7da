import json
import os
import signal
import tempfile

import pytest

from tests.deploy.processes import children_of, is_running
from tests.programs import Program
from tests.wait import until

pytestmark = pytest.mark.needs("linux", "proc")  # children end with their parents; /proc lists processes

NOBODY = "redis://127.0.0.1:1"


async def until_a_worker_is_dead(program: Program) -> None:
    await until(lambda: any("the takeover follows below" in line for line in program.raw))


def demo(**environ: str) -> Program:
    return Program("python", "-m", "deploy.local.demo", redis_url=NOBODY, **environ)


@pytest.mark.timeout(120)
async def test_every_event_is_accounted_for_within_a_minute_whatever_the_environment_sets():
    with demo(OPENAI_WEBHOOK_SECRET="nobody's", HOOKBUS_INGEST_LISTEN="nowhere") as program:
        assert await program.end(0, timeout_s=90) == 0
    figures = json.loads(program.raw[-1])
    assert figures.pop("seconds") < 60
    assert figures == {
        "demo": "ok",
        "sent": 43,
        "accepted": 39,
        "duplicate": 1,
        "refused": {"body_too_large": 1, "signature_mismatch": 1, "timestamp_stale": 1},
        "handled": {"audit": 39, "billing": 15},
        "retried": 8,
        "dead": 3,
        "redriven": 3,
        "lost": 0,
    }
    text = "\n".join(program.raw)
    assert "\x1b" not in text, "escape codes in a pipe"
    assert "Traceback" not in text
    assert all(len(line) <= 80 for line in program.raw[:-1])


async def test_ctrl_c_ends_it_quietly_and_leaves_no_process():
    with demo() as program:
        await until_a_worker_is_dead(program)
        programs = children_of(program.process.pid)
        assert len(programs) == 3  # one was just killed
        assert await program.end(signal.SIGINT) == 130
    assert not any(is_running(pid) for pid in programs)
    assert "Traceback" not in "\n".join(program.raw)


async def test_sigkill_leaves_no_process():
    with tempfile.TemporaryDirectory() as folder, demo(TMPDIR=folder) as program:
        await until_a_worker_is_dead(program)
        programs = children_of(program.process.pid)
        await program.end(signal.SIGKILL)
        await until(lambda: not any(is_running(pid) for pid in programs), timeout_s=5)


async def test_it_fails_with_a_reason_when_events_cannot_be_handled():
    with demo() as program:
        await until_a_worker_is_dead(program)
        for pid, command in children_of(program.process.pid).items():
            if "hookbus-worker run" in command:
                os.kill(pid, signal.SIGKILL)
        assert await program.end(0, timeout_s=50) == 1
    figures = json.loads(program.raw[-1])
    assert figures["demo"] == "failed"
    assert figures["lost"] > 0
    text = "\n".join(program.raw)
    assert "was killed by SIGKILL" in text
    assert "last log lines of worker" in text
    assert "Traceback" not in text
