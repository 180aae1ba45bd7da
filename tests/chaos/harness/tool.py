"""Runs commands of `hookbus-worker` as in a shell, and measures their cost."""

import asyncio
import json
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hookbus.shared.connection import connect_blocking
from tests.programs import BIN, ROOT

POLL_S: Final = 0.02
"""Between two samples of a process's memory."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The output of a command and its cost: time, processor time of it (and of Redis, while it ran), and peak memory (0
    where the system does not report it)."""

    code: int
    out: str
    err: str
    took_s: float
    busy_s: float
    peak_bytes: int

    def objects(self) -> list[Any]:
        """Its JSON Lines."""
        return [json.loads(line) for line in self.out.splitlines()]


async def execute(url: str, *arguments: str) -> Answer:
    """Run a command to its end."""
    return await asyncio.to_thread(_run, url, arguments)


async def run_ok(url: str, *arguments: str) -> Answer:
    """Run a command. Raises AssertionError when it fails."""
    answer = await execute(url, *arguments)
    assert answer.code == 0, f"{' '.join(arguments)} ended with {answer.code}: {answer.err}"
    return answer


def _run(url: str, arguments: tuple[str, ...]) -> Answer:
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        redis_s, began_at = _redis_s(url), time.monotonic()
        process = subprocess.Popen(
            [str(BIN / "hookbus-worker"), *arguments],
            cwd=ROOT,
            env={"HOOKBUS_REDIS_URL": url, "PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
        peak = 0
        while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            peak = max(peak, _peak_bytes(process.pid))
            time.sleep(POLL_S)
        took_s = time.monotonic() - began_at
        process.returncode = os.waitstatus_to_exitcode(ended[1])
        busy_s = ended[2].ru_utime + ended[2].ru_stime + _redis_s(url) - redis_s
        out.seek(0)
        err.seek(0)
        return Answer(process.returncode, out.read(), err.read(), took_s, busy_s, peak)


def _redis_s(url: str) -> float:
    """Processor time that Redis has used, in seconds."""
    with connect_blocking(url, "chaos", reply_timeout_s=30) as client:
        info = client.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def _peak_bytes(pid: int) -> int:
    """VmHWM of a process; the figure of wait4 would include our own memory, from before the exec."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
