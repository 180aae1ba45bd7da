"""G8: too few file descriptors are logged at the start, and running out of them stops nothing."""

import asyncio
import resource
import subprocess
import sys

import aiohttp
import pytest

from hookbus.shared import descriptors
from tests.ingest.serving import signed
from tests.programs import Ingest, post
from tests.wait import until

PROGRAM = "import sys; from hookbus.shared import descriptors; print(descriptors.room_for(int(sys.argv[1])))"


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "expected"),
    [(256, 400, 200, 200), (256, 400, 1000, 400 - descriptors.RESERVED), (400, 400, 100, 100), (60, 60, 100, 1)],
)
def test_g8_the_soft_limit_is_raised_as_far_as_needed_and_allowed(soft, hard, wanted, expected):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(wanted)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)),
        capture_output=True,
        check=True,
    )
    assert int(done.stdout) == expected


async def test_g8_without_descriptors_connections_are_closed_without_a_busy_loop(redis_url):
    with Ingest(redis_url) as ingest:
        await ingest.until_healthy()
        pid = ingest.process.pid
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (60, 60))
        connections = [await asyncio.open_connection("127.0.0.1", ingest.port) for _ in range(100)]
        closed = asyncio.ensure_future(connections[-1][0].read())
        assert await asyncio.wait_for(closed, 5) == b""
        spent_s = cpu_s(pid)
        await asyncio.sleep(0.5)  # the time of the measurement, not a wait
        assert cpu_s(pid) - spent_s < 0.25
        for _, writer in connections:
            writer.close()

        async def is_served() -> bool:
            try:
                return await post(ingest.url, "wh_after", signed().body) == (200, "accepted")
            except (OSError, aiohttp.ClientError):
                return False

        await until(is_served)
        assert len(ingest.raw) == 3, ingest.raw  # it started, Redis is healthy, it listens


async def test_g8_few_descriptors_are_logged_at_the_start(redis_url):
    with Ingest(redis_url, HOOKBUS_INGEST_MAX_CONNECTIONS="100000000") as ingest:
        await ingest.until_healthy()
        assert ingest.logged("few_descriptors", wanted=100_000_000)


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used."""
    with open(f"/proc/{pid}/stat") as file:
        user, system = file.read().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / 100
