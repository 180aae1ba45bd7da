"""Load on a port: `wrk`, or the bundled generator on machines without it.

Requests are signed before the clock starts, and no more are sent than were signed: a repeated request would be a
duplicate, which costs less.
"""

import asyncio
import functools
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench import requests
from tests.bench.figures import Series
from tests.bench.stage import Stage
from tests.programs import ROOT

CONNECTIONS: Final = 64
WARM_UP_S: Final = 1.0
FULL_S: Final = 2.0
QUICK_S: Final = 1.0
"""Seconds of load on each side of a round. Whole seconds, as wrk requires."""
FULL_ROUNDS: Final = 11
QUICK_ROUNDS: Final = 9
"""Many short rounds distribute other load of the machine over both sides better than few long ones."""
MARGIN: Final = 1.5
"""Factor by which more requests are signed than the rate of the warm-up needs."""
MIN_RATE: Final = 40_000.0
"""The lowest rate for which requests are signed: the warm-up may have been slow."""
LUA: Final = Path(__file__).parent / "wrk.lua"


@dataclass(frozen=True, slots=True)
class Load:
    """The counts of a generator."""

    requests: int
    seconds: float
    failed: int

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


@functools.cache
def generator() -> str:
    """The path of wrk, or "" for the bundled generator, with a warning."""
    path = shutil.which("wrk") or ""
    if not path:
        print("no wrk here (Debian: apt-get install wrk): the bundled generator is slower", file=sys.stderr)
    return path


def sign(folder: Path, count: int) -> tuple[Path, int]:
    """A file of `count` fresh requests, and the bytes of each."""
    file = folder / "requests"
    return file, requests.write(file, count)


async def warm_up(folder: Path, port: int) -> float:
    """The rate of a first second, whose requests may repeat."""
    return (await _run(_command(port, *sign(folder, 20_000), WARM_UP_S))).rate


async def run(file: Path, size: int, port: int, seconds: float) -> Load:
    """Send for `seconds`. Raises RuntimeError on a response other than 200, or when the requests run out."""
    load = await _run(_command(port, file, size, seconds))
    if load.failed:
        raise RuntimeError(f"{load.failed} of {load.requests} requests failed")
    signed = file.stat().st_size // size
    if load.requests > signed:
        raise RuntimeError(f"{load.requests} requests were sent, {signed} were signed")
    return load


def _command(port: int, file: Path, size: int, seconds: float) -> Sequence[str]:
    url, rest = f"http://127.0.0.1:{port}{requests.PATH}", (str(file), str(size))
    if wrk := generator():
        # wrk takes whole seconds only.
        return (wrk, "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "-s", str(LUA), url, "--", *rest)
    return (sys.executable, "-m", "tests.bench.generator", str(port), *rest, str(seconds))


async def _run(command: Sequence[str]) -> Load:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{command[0]} failed: {output.decode(errors='replace')}")
    return Load(**json.loads(output.splitlines()[-1]))


async def in_turn(stage: Stage, **ports: int) -> tuple[Series, ...]:
    """Load each port in turn; all ports of a round get the same fresh requests."""
    seconds = stage.scale(FULL_S, QUICK_S)
    rates = [await warm_up(stage.folder, port) for port in ports.values()]
    max_rate = max(MIN_RATE, MARGIN * max(rates))
    measured: dict[str, list[float]] = {name: [] for name in ports}
    for number in stage.numbers(stage.scale(FULL_ROUNDS, QUICK_ROUNDS)):
        file, size = sign(stage.folder, int(max_rate * seconds))
        for name, port in ports.items():
            measured[name].append((await run(file, size, port, seconds)).rate)
        stage.report_round(number, {name: figures[-1] for name, figures in measured.items()})
    return tuple(Series(name, tuple(figures)) for name, figures in measured.items())
