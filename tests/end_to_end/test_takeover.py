"""Workers that die or stop: their deliveries in flight run elsewhere, and harmless events are not suspected."""

import signal
import time

from hookbus.shared.keys import Keys
from hookbus.worker.pipeline.dead_letter import decode
from tests.programs import Ingest, Worker, event_body, post
from tests.wait import until

KEYS = Keys(0)


async def test_g4_deliveries_in_flight_in_a_killed_worker_run_elsewhere_and_no_others_are_repeated(
    redis_url, handled, client
):
    names = [f"wh_{i}" for i in range(5)]
    with Ingest(redis_url) as ingest, Worker(redis_url, "slow", "plain") as killed:
        await ingest.until_healthy()
        await killed.until_working()
        for name in names:
            await post(ingest.url, name, event_body())
        await until(lambda: len(handled("slow", "started")) == 5 and len(handled("plain")) == 5)
        with Worker(redis_url, "slow", "plain") as claimant:
            await claimant.until_working()
            await killed.end(signal.SIGKILL)
            await until(lambda: len(handled("slow", "started")) == 10)
            await client.execute_command("SET", "test:go", 1)
            await until(lambda: sorted(handled("slow")) == names)
            await claimant.until_logged("consumer_removed", group="slow")
            await claimant.until_logged("consumer_removed", group="plain")
            # The deliveries that the dead worker had finished do not run again.
            assert sorted(handled("plain")) == names
            assert await claimant.end() == 0


async def test_g4_deliveries_of_a_frozen_worker_are_claimed_within_15_s_and_its_late_outcome_is_void(
    redis_url, handled, client
):
    """SIGSTOP: the process exists, so only its liveness key expires; SIGCONT: it continues and settles late."""
    with Ingest(redis_url) as ingest, Worker(redis_url, "flaky_slow") as frozen:
        await ingest.until_healthy()
        await frozen.until_working()
        await post(ingest.url, "wh_1", event_body())
        await until(lambda: handled("flaky_slow", "started") == ["wh_1"])
        with Worker(redis_url, "flaky_slow") as claimant:
            await claimant.until_working()
            frozen.process.send_signal(signal.SIGSTOP)
            frozen_at = time.monotonic()
            await until(lambda: len(handled("flaky_slow", "started")) == 2)
            assert time.monotonic() - frozen_at < 15
            await client.execute_command("SET", "test:go", 1)
            await until(lambda: handled("flaky_slow") == ["wh_1"])
            await until(lambda: _pending(server=client))
            await client.execute_command("SET", "test:fail", 1)
            frozen.process.send_signal(signal.SIGCONT)
            await frozen.until_logged("outcome_discarded", webhook_id="wh_1")
            assert await client.execute_command("ZCARD", KEYS.delayed("flaky_slow")) == 0
            assert handled("flaky_slow") == ["wh_1"]


async def test_g10_handlers_that_ignore_cancellation_do_not_delay_the_exit(redis_url, handled, client):
    limits = {"HOOKBUS_WORKER_HANDLER_TIMEOUT_S": "0.5", "HOOKBUS_WORKER_GRACE_PERIOD_S": "1"}
    with Ingest(redis_url) as ingest, Worker(redis_url, "stubborn", **limits) as worker:
        await ingest.until_healthy()
        await worker.until_working()
        await post(ingest.url, "wh_1", event_body())
        await post(ingest.url, "wh_2", event_body("batch.failed"))
        await until(lambda: sorted(handled("stubborn", "started")) == ["wh_1", "wh_2"])
        assert await worker.end() == 0
        handed_over = sum(line["deliveries"] for line in worker.logged("handed_over"))
        assert len(worker.logged("parked")) + handed_over == 2  # parked if it timed out before the grace period ended
        assert worker.tracebacks() == []


async def _pending(server) -> bool:
    summary = await server.execute_command("XPENDING", KEYS.stream("response.completed"), "flaky_slow")
    return summary[0] == 0


async def test_g5_an_event_that_kills_its_worker_is_a_dead_letter_and_the_others_are_handled(
    redis_url, handled, server
):
    innocent = [f"wh_{i}" for i in range(60)]
    with Ingest(redis_url) as ingest:
        await ingest.until_healthy()
        for name in (*innocent[:30], "wh_killer", *innocent[30:]):
            await post(ingest.url, name, event_body(id="killer" if name == "wh_killer" else "resp"))
        deaths = await _work_until(redis_url, lambda: _dead(server) == 1 and set(handled("deadly")) == set(innocent))
    with server.client() as client:
        assert client.zrange(KEYS.dead("deadly"), 0, -1) == [b"wh_killer"]
        assert client.exists(KEYS.deaths("deadly")) == 0
    letter = decode(_letter(server, "wh_killer"))
    assert (letter.reason, letter.error_class) == ("worker_lost", "WorkerLost")
    # One death beside others, one more when all of them ran together again; then it dies in quarantine.
    assert deaths == 2


async def _work_until(redis_url, is_done) -> int:
    """Run workers one after the other until one survives; returns the number of deaths."""
    for deaths in range(20):
        with Worker(redis_url, "deadly") as worker:
            await until(lambda worker=worker: worker.process.poll() is not None or is_done(), timeout_s=40)
            if worker.process.poll() is None:
                assert await worker.end() == 0
                return deaths
    raise AssertionError("20 workers died")


def _letter(server, name: str) -> bytes:
    with server.client() as client:
        return client.hget(KEYS.dead_data("deadly"), name)


def _dead(server) -> int:
    with server.client() as client:
        return client.zcard(KEYS.dead("deadly"))


async def test_g10_a_stopping_worker_finishes_deliveries_in_flight_and_leaves_the_group(redis_url, handled, client):
    with Ingest(redis_url) as ingest, Worker(redis_url, "slow") as leaving:
        await ingest.until_healthy()
        await leaving.until_working()
        await post(ingest.url, "wh_1", event_body())
        await until(lambda: handled("slow", "started") == ["wh_1"])
        leaving.process.send_signal(signal.SIGTERM)
        await leaving.until_logged("draining", running=1)
        await post(ingest.url, "wh_2", event_body())
        await client.execute_command("SET", "test:go", 1)
        assert await leaving.end() == 0
        assert handled("slow", "started") == handled("slow") == ["wh_1"]
        assert await client.execute_command("HKEYS", KEYS.consumers("slow")) == []
        assert await client.execute_command("XINFO", "CONSUMERS", KEYS.stream("response.completed"), "slow") == []
        with Worker(redis_url, "slow"):
            await until(lambda: handled("slow") == ["wh_1", "wh_2"])
