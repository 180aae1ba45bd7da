"""Suspects among the deliveries that are taken over: they wait in quarantine, or with their dead consumer."""

from hookbus.worker.pipeline.dead_letter import decode
from hookbus.worker.quarantine import suspect
from hookbus.worker.quarantine.quarantine import PER_CHILD
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, STREAM, Handler, pending, register
from tests.worker.claimant import claimant
from tests.worker.takeovers import die_with, take_over


async def die_twice_with(client, *names: str) -> None:
    """Have two consumers die with deliveries; the second one is `dead_too`."""
    await die_with(client, *names)
    await take_over(client, "dead", "dead_too", 1000)
    await register(client, "dead_too", alive=False)


async def test_a_delivery_is_a_suspect_from_the_second_dead_consumer_on_and_takes_no_slot(client, redis_url):
    handler = Handler()
    await die_twice_with(client, "wh_1")
    await die_with(client, "wh_2")
    async with claimant(redis_url, client, handler) as worker:
        await worker.round()
        await until(lambda: handler.began == ["wh_2"])
        assert waiting(worker) == [("wh_1", 3)]
        assert worker.runtime.slots.running == 1


async def test_a_worker_claims_few_suspects_and_all_others_beside_them(client, redis_url):
    handler = Handler(is_open=True)
    await die_twice_with(client, *(f"wh_{i}" for i in range(20)))
    await die_with(client, "wh_fresh", consumer="dead_too")
    async with claimant(redis_url, client, handler) as worker:
        await worker.round()
        await until(lambda: handler.done == ["wh_fresh"])
        assert len(waiting(worker)) == 2 * PER_CHILD


async def test_a_worker_without_quarantine_leaves_suspects_to_others(client, redis_url):
    handler = Handler(is_open=True)
    await die_twice_with(client, "wh_1")
    await die_with(client, "wh_fresh", consumer="dead_too")
    async with claimant(redis_url, client, handler) as worker:
        worker.quarantine._launch = None
        await worker.round()
        await until(lambda: handler.done == ["wh_fresh"])
        assert len(await pending(client, consumer="dead_too")) == 1


async def test_suspects_wait_with_their_dead_consumer_while_their_breaker_is_open(client, redis_url):
    await die_twice_with(client, "wh_1")
    async with claimant(redis_url, client, Handler()) as worker:
        worker.runtime.circuit.circuit_gate.set(0)
        await worker.round()
        assert waiting(worker) == []
        worker.runtime.circuit.circuit_gate.set(None)
        await worker.round()
        assert waiting(worker) == [("wh_1", 3)]


async def test_g5_after_three_deaths_in_quarantine_a_delivery_is_a_dead_letter_that_names_them(client, redis_url):
    handler = Handler()
    await die_twice_with(client, "wh_1")
    (entry_id,) = await pending(client)
    await take_over(client, "dead_too", "x.quarantine", death="a@1")
    await take_over(client, "x.quarantine", "y.quarantine", death="b@2")
    await register(client, "y.quarantine", alive=False)
    async with claimant(redis_url, client, handler) as worker:
        await worker.round()
        await until(lambda: client.execute_command("ZCARD", KEYS.dead(GROUP)))
        assert (worker.runtime.slots.running, waiting(worker)) == (0, [])
    letter = decode(await client.execute_command("HGET", KEYS.dead_data(GROUP), "wh_1"))
    assert letter.reason == "worker_lost"
    assert all(death in letter.message for death in ("a@1", "b@2", "y.quarantine@"))
    assert handler.began == []
    assert await client.execute_command("EXISTS", KEYS.deaths(GROUP)) == 0
    assert await client.execute_command("XPENDING", STREAM, GROUP, entry_id, entry_id, 1) == []


async def test_a_suspect_whose_process_died_unnoticed_is_begun_again_and_one_that_waits_is_not(client, redis_url):
    await die_twice_with(client, "wh_1")
    async with claimant(redis_url, client, Handler()) as worker:
        await worker.round()
        await worker.round()
        assert waiting(worker) == [("wh_1", 3)]
        worker.quarantine._waiting.clear()  # it runs in a child
        (entry_id,) = await pending(client)
        await client.execute_command("XCLAIM", STREAM, GROUP, "child.quarantine", 0, entry_id)
        await register(client, "child.quarantine", alive=False)
        await worker.round()
        assert waiting(worker) == [("wh_1", 5)]


def test_three_deaths_are_the_limit():
    assert suspect.MAX_DEATHS == 3


def waiting(worker) -> list[tuple[str, int]]:
    return [(each.in_flight.delivery.webhook_id, each.in_flight.times_delivered) for each in worker.quarantine._waiting]
