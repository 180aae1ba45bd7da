"""Redis reaches its memory limit while no worker runs; then workers start, one is killed, and they free memory."""

import asyncio
import signal
import time
from collections.abc import Callable
from typing import Any, Final

from hookbus.shared.valkey import Valkey
from tests.chaos.harness.scenario import scenario
from tests.chaos.harness.stage import Stage
from tests.wait import until

ROOM_BYTES: Final = 1024 * 1024
MAX: Final = 1.05
"""Share of the limit that retries and dead letters may take."""
BUFFERS_BYTES: Final = 8 * 1024 * 1024
"""Further memory of Redis: replies on their way to two workers, two groups, a hundred events of 8 kB each."""
FAILING: Final = 0.1
"""Share of events that fail at first: pending and parked ones take memory, and pin their stream."""


def fat(stage: Stage) -> Callable[[int], dict[str, Any]]:
    """Events of some kilobytes. The first one fails: no later event can be trimmed before it parks."""

    def make(number: int) -> dict[str, Any]:
        is_failing = number == 0 or stage.rng.random() < FAILING
        # Slow enough that there is a backlog when memory is checked.
        takes_s = stage.scale(0.2, 0.7)
        do = ["fail", "fail", "ok"] if is_failing else ["reject"] if stage.rng.random() < 0.002 else [takes_s]
        return {"do": do, "filler": "x" * stage.rng.randrange(1000, 8000)}

    return make


def memory(server: Valkey, name: str) -> int:
    """A figure of INFO memory."""
    with server.client() as client:
        return int(client.info("memory")[name])


@scenario("memory_full", "G3: a Redis that filled up while no worker ran loses nothing; ingest recovers by itself")
async def memory_is_full(stage: Stage) -> None:
    server = await stage.valkey()
    ingest = await stage.ingest(server.url)
    # An age that no event reaches here, so that only the lack of memory trims; it is checked each second.
    environ = {"HOOKBUS_WORKER_RETENTION_S": "10" if stage.is_short else "3600"}
    first = [await stage.worker(server.url, "alpha", "beta", **environ)]
    for group in ("alpha", "beta"):
        stage.ledger.expect(group)
    await first[0].end()
    limit = memory(server, "used_memory") + stage.scale(30, 3) * ROOM_BYTES
    with server.client() as client:
        client.config_set("maxmemory", limit)
    sender = await stage.sender(ingest)
    sending = asyncio.create_task(sender.burst(stage.scale(20_000, 1_000), fat(stage)))
    await until(lambda: sender.refused["overloaded"] > 100 or sending.done(), timeout_s=60)
    assert not sending.done(), "Redis was never full"
    filled = len(stage.ledger.accepted)
    assert memory(server, "used_memory") > 0.95 * limit
    began_at = time.monotonic()
    workers = [await stage.worker(server.url, "alpha", "beta", **environ) for _ in range(2)]
    await asyncio.sleep(2 * stage.rng.random())
    workers[0].signal(signal.SIGKILL)
    await until(lambda: len(stage.ledger.accepted) > filled + 100, timeout_s=30, what="ingest recovers")
    stage.ledger.facts["filled"] = f"{filled:,}"
    stage.ledger.facts["ingest recovered"] = f"{time.monotonic() - began_at:.1f} s after"
    async with asyncio.timeout(stage.scale(120, 60)):
        await sending
    await stage.until_accounted(server)
    assert [supervised.deaths for supervised in stage.supervised] == [0, 0, 1, 0], "a program died that was not killed"
    check_end(server, limit, set(sender.refused))
    stage.ledger.facts["peak"] = f"{memory(server, 'used_memory_peak') / limit:.0%} of the limit"


def check_end(server: Valkey, limit: int, refused: set[str]) -> None:
    """The only refusal was the lack of memory, and the limit held."""
    assert refused == {"overloaded"}, f"refused as {refused}"
    peak = memory(server, "used_memory_peak")
    assert peak < MAX * limit + BUFFERS_BYTES, f"Redis used {peak / limit:.0%} of its limit"
