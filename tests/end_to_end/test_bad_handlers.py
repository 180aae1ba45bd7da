"""Whatever a handler raises, its delivery ends correctly, frees its slot and affects no other delivery."""

import pytest

from hookbus.shared.keys import Keys
from tests.programs import Worker
from tests.wait import until
from tests.worker.builders import store

KEYS = Keys(0)
GROUP = "bad"
APPS = "tests.end_to_end.bad_handlers"
FAILING = ("batch.completed", "batch.failed", "batch.expired", "response.cancelled")
REJECTED = "batch.cancelled"
SNOOZED = "response.failed"


async def test_g7_any_exception_ends_in_a_dead_letter_or_a_retry_and_other_subscriptions_go_on(
    redis_url, handled, client
):
    names = {kind: [f"wh_{kind}_{number}" for number in range(2)] for kind in (*FAILING, REJECTED, SNOOZED)}
    for kind, webhook_ids in names.items():  # two of each: the second needs the slot of the first
        await store(client, *webhook_ids, event_type=kind)
    with Worker(redis_url, f"{APPS}:{GROUP}") as worker:
        await worker.until_working()
        await until(lambda: len(worker.logged("dead_letter")) == 2 * len((*FAILING, REJECTED)))
        await until(lambda: len(worker.logged("snoozed")) == 2)
        await store(client, "wh_1")
        await until(lambda: handled(GROUP) == ["wh_1"])
        assert await worker.end() == 0
    expected = {name: ("attempts_exhausted", 2) for kind in FAILING for name in names[kind]}
    expected |= dict.fromkeys(names[REJECTED], ("rejected", 1))
    lines = worker.logged("dead_letter")
    assert {line["webhook_id"]: (line["reason"], line["attempt"]) for line in lines} == expected
    dead = await client.execute_command("HKEYS", KEYS.dead_data(GROUP))
    assert {name.decode() for name in dead} == expected.keys()
    assert await client.execute_command("ZCARD", KEYS.delayed(GROUP)) == 2, "a wait of 1e306 s is capped"
    for kind in names:
        assert (await client.execute_command("XPENDING", KEYS.stream(kind), GROUP))[0] == 0


@pytest.mark.parametrize("types", [["batch.completed"], ["batch.completed", "response.completed"]], ids=["one", "two"])
async def test_g7_an_outage_with_two_errors_or_two_types_opens_the_breaker(redis_url, handled, client, types):
    for kind in types:
        await store(client, *(f"wh_{kind}_{number}" for number in range(50)), event_type=kind)
    with Worker(redis_url, f"{APPS}:outage") as worker:
        await worker.until_logged("breaker_opened")
        await until(lambda: len(worker.logged("parked")) == 20)
        assert await worker.end() == 0
    assert len(handled("outage", "tries")) == 20
    assert await client.execute_command("EXISTS", KEYS.dead("outage")) == 0
    assert len(worker.logged("breaker_opened")) == 1
