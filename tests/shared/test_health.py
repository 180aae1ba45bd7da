import asyncio
import contextlib
import time

import aiohttp
import pytest

from hookbus.shared import health, metrics
from hookbus.shared.command import FailedError
from hookbus.shared.listen import Listen
from tests.wait import until

ANY_PORT = Listen("127.0.0.1", 0)


@contextlib.asynccontextmanager
async def served(readiness=lambda: health.READY, listen=ANY_PORT, default=False):
    runner = await health.serve(listen, default, readiness)
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def get(url: str) -> tuple[int, dict]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.json()


async def test_readyz_returns_the_reason():
    reason = ""
    async with served(lambda: reason) as url:
        assert await get(f"{url}/readyz") == (200, {"status": "ready"})
        reason = "draining"
        assert await get(f"{url}/readyz") == (503, {"status": "not_ready", "reason": "draining"})


async def test_liveness_does_not_depend_on_readiness():
    async with served(lambda: "not at all") as url:
        assert await get(f"{url}/healthz") == (200, {"status": "alive"})


async def test_metrics_are_prometheus_text():
    async with served() as url, aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        assert "# HELP" in await response.text()


async def test_anything_else_is_404():
    async with served() as url:
        assert await get(f"{url}/") == (404, {"error": "unknown_endpoint"})


async def test_a_port_in_use_stops_the_start_unless_it_is_the_default():
    async with served() as first:
        in_use = Listen("127.0.0.1", int(first.rsplit(":", 1)[1]), "ops_listen")
        with pytest.raises(FailedError, match="ops_listen: can't listen on 127"):
            await health.serve(in_use, False, lambda: health.READY)
        async with served(listen=in_use, default=True) as second:
            assert second != first
            assert (await get(f"{second}/healthz"))[0] == 200


async def test_the_age_of_the_tick_grows_while_the_loop_is_blocked():
    tick = health.LoopTick(asyncio.get_running_loop())
    lag_s = metrics.LOOP_LAG.total
    try:
        assert tick.age_s() < 0.5
        time.sleep(0.75)  # noqa: ASYNC251 - the block that it must detect
        assert tick.age_s() >= 0.7
        await until(lambda: tick.age_s() < 0.5)
        assert metrics.LOOP_LAG.total - lag_s >= 0.2
    finally:
        tick.stop()
