"""Every exit without a stop signal counts as a death: only a stop hands deliveries over without suspicion."""

import pytest

from hookbus.shared.keys import Keys
from hookbus.worker.pipeline.dead_letter import decode
from tests.deaths import WAYS
from tests.programs import Worker
from tests.wait import until
from tests.worker.builders import store

KEYS = Keys(0)
STREAM = KEYS.stream("response.completed")


@pytest.mark.parametrize("way", WAYS)
async def test_g5_an_unexpected_exit_counts_as_a_death_and_logs_its_reason(redis_url, handled, client, way):
    await store(client, "wh_killer", id=way)
    await store(client, "wh_neighbour")
    with Worker(redis_url, "fatal") as worker:
        await worker.until_working()
        await until(lambda: len(handled("fatal", "started")) == 2)
        await client.execute_command("SET", "test:armed", 1)
        assert await worker.until_ended(30) == 1
    (crashed,) = worker.logged("crashed")
    assert crashed["reason"]
    assert crashed["exception"]
    assert not worker.logged("handed_over")
    assert not worker.logged("parked")
    pending = await client.execute_command("XPENDING", STREAM, "fatal", "-", "+", 10)
    owner = worker.logged("working")[0]["consumer"].encode()
    assert [(consumer, times) for _, consumer, _, times in pending] == [(owner, 1)] * 2


async def test_g5_an_event_that_exits_its_worker_with_0_is_a_dead_letter_and_the_others_are_handled(
    redis_url, handled, client, server
):
    innocent = {f"wh_{i}" for i in range(20)}
    await client.execute_command("MSET", "test:armed", 1, "test:go", 1)
    await store(client, *sorted(innocent)[:10])
    await store(client, "wh_killer", id="exit_child_task")
    await store(client, *sorted(innocent)[10:])

    def is_done() -> bool:
        return _dead(server) == ["wh_killer"] and set(handled("fatal")) == innocent

    deaths = await _deaths_until(redis_url, is_done)
    assert deaths == 2  # as for SIGKILL: then it dies in quarantine
    with server.client() as redis:
        letter = decode(redis.hget(KEYS.dead_data("fatal"), "wh_killer"))
    assert letter.reason == "worker_lost"


async def _deaths_until(redis_url, is_done) -> int:
    """Run workers one after the other until one survives; returns the number of deaths."""
    for deaths in range(20):
        with Worker(redis_url, "fatal") as worker:
            await until(lambda worker=worker: worker.process.poll() is not None or is_done(), timeout_s=40)
            if worker.process.poll() is None:
                assert await worker.end() == 0
                return deaths
            assert worker.process.returncode == 1
    raise AssertionError("20 workers died")


def _dead(server) -> list[str]:
    with server.client() as client:
        return [name.decode() for name in client.zrange(KEYS.dead("fatal"), 0, -1)]
