import asyncio

import pytest
from msgspec.structs import replace

from hookbus.shared.command import FailedError
from hookbus.shared.keys import Keys
from hookbus.worker.dlq import plan as planning
from hookbus.worker.dlq.bulk import Tally
from hookbus.worker.dlq.filter import Filter
from hookbus.worker.dlq.query import DeadLetters
from hookbus.worker.inventory import registry
from tests.wait import until
from tests.worker.dead_letters import letter, opened, start_workers, store_letters, subscribe

KEYS = Keys(0)
GONE = "eval.run.failed"
STREAM = KEYS.redelivery("response.completed", "billing")
AGAIN_MS = 4_000_000_000_000
"""When letters are dead-lettered again: after any snapshot."""


async def ready(client) -> DeadLetters:
    """Three letters of a type that billing subscribes to, two of one that it does not."""
    await subscribe(client, "response.*")
    await start_workers(client, "billing")
    gone = [letter(f"wh_g{i}", type=GONE) for i in (1, 2)]
    await store_letters(client, *(letter(f"wh_{i}") for i in range(3)), *gone)
    return await opened(client)


async def run(client, store, plan, stopping=None, progressed=lambda _: None) -> Tally:
    return await planning.run(client, store, plan, stopping=stopping or asyncio.Event(), progressed=progressed)


async def dead(store: DeadLetters) -> set[str]:
    return {each.name for each in (await store.page(Filter(), 50)).letters}


async def test_a_plan_counts_by_cause_and_changes_nothing(client):
    store = await ready(client)
    plan = await planning.redrive(client, store, Filter())
    assert (plan.matching, plan.moving, dict(plan.left_out)) == (5, 3, {("billing", GONE): 2})
    assert [(each.kind.type, each.count) for each in plan.causes] == [("response.completed", 3), (GONE, 2)]
    assert [(each.type, each.why, each.count) for each in plan.hindrances] == [(GONE, "unsubscribed", 2)]
    assert len(await dead(store)) == 5


async def test_a_run_leaves_out_what_the_plan_left_out(client):
    store = await ready(client)
    plan = await planning.redrive(client, store, Filter())
    assert await run(client, store, plan) == Tally(3)
    assert await dead(store) == {"wh_g1", "wh_g2"}
    plan = await planning.redrive(client, store, Filter(), include_unsubscribed=True)
    assert (plan.moving, [each.why for each in plan.hindrances]) == (2, ["unsubscribed"])
    assert await run(client, store, plan) == Tally(2)
    assert await dead(store) == set()


@pytest.mark.parametrize("make", [planning.redrive, planning.discard])
async def test_letters_that_die_after_the_plan_are_not_in_it(client, make):
    store = await ready(client)
    plan = await make(client, store, Filter(types=("response.*",)))
    late_ms = plan.criteria.until_ms + 1
    await store_letters(client, letter("wh_late", dead_lettered_at_ms=late_ms))

    async def has_died() -> bool:
        return await registry.now_ms(client) > late_ms

    await until(has_died)
    assert await run(client, store, plan) == Tally(3)
    assert await dead(store) == {"wh_g1", "wh_g2", "wh_late"}


async def test_named_letters_are_planned_whenever_they_died(client):
    store = await ready(client)
    await store_letters(client, letter("wh_late", dead_lettered_at_ms=AGAIN_MS))
    plan = await planning.discard(client, store, Filter(names=("wh_late", "wh_1")))
    assert (plan.matching, [each.count for each in plan.causes]) == (2, [2])
    assert await run(client, store, plan) == Tally(2)
    with pytest.raises(FailedError, match="no dead letter wh_late"):
        await planning.redrive(client, store, Filter(names=("wh_late",)))


async def test_a_named_letter_that_dies_again_after_the_plan_is_not_in_it_and_counts_as_gone(client):
    store = await ready(client)
    plan = await planning.discard(client, store, Filter(names=("wh_0", "wh_1")))
    await run(client, store, await planning.discard(client, store, Filter(names=("wh_0",))))
    await store_letters(client, letter("wh_0", dead_lettered_at_ms=plan.criteria.until_ms + 1))
    assert await run(client, store, plan) == Tally(1, 1)
    assert await dead(store) == {"wh_0", "wh_2", "wh_g1", "wh_g2"}


async def test_a_named_letter_that_is_gone_is_counted_and_the_others_move(client):
    store = await ready(client)
    plan = await planning.redrive(client, store, Filter(names=("wh_0", "wh_1")))
    await run(client, store, await planning.discard(client, store, Filter(names=("wh_0",))))
    told = list[Tally]()
    assert await run(client, store, plan, progressed=lambda tally: told.append(replace(tally))) == Tally(1, 1)
    assert told[-1] == Tally(1, 1)


@pytest.mark.parametrize("make", [planning.redrive, planning.discard])
async def test_a_run_refuses_when_more_match_than_were_counted(client, make):
    store = await ready(client)
    plan = await make(client, store, Filter(types=("response.*",)))
    await store_letters(client, letter("wh_imported"))
    with pytest.raises(FailedError, match=r"(redriven|discarded): since it was counted 1 more dead letter of"):
        await run(client, store, plan)
    assert len(await dead(store)) == 6


async def test_a_run_refuses_when_a_handler_was_removed_since_the_plan(client):
    store = await ready(client)
    plan = await planning.redrive(client, store, Filter())
    await subscribe(client, "batch.*")
    with pytest.raises(FailedError, match=r"billing does not subscribe to response\.completed any more"):
        await run(client, store, plan)
    assert len(await dead(store)) == 5


async def test_a_redrive_into_a_full_redis_says_so_and_a_discard_goes_on(client):
    store = await ready(client)
    named = Filter(names=("wh_0",))
    plan = await planning.redrive(client, store, named)
    await client.execute_command("CONFIG", "SET", "maxmemory", 1)
    with pytest.raises(FailedError, match=r"^Redis is full: .*; 0 moved before that$"):
        await run(client, store, plan)
    assert await run(client, store, await planning.discard(client, store, named)) == Tally(1)


async def test_a_run_reports_each_batch_and_can_be_cancelled_and_gone_on_with(client):
    store = await ready(client)
    plan = await planning.discard(client, store, Filter())
    stopping, steps = asyncio.Event(), list[int]()

    def cancel(tally: Tally) -> None:
        steps.append(tally.moved)
        stopping.set()

    tally = await planning.run(client, store, plan, rate=2, stopping=stopping, progressed=cancel)
    assert (tally, steps) == (Tally(2), [2])
    assert await run(client, store, plan) == Tally(3)
    assert await dead(store) == set()
