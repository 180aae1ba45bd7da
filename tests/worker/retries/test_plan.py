import asyncio

from hookbus.shared.clock import now_ms
from hookbus.shared.entry import Failure, redelivery_fields
from hookbus.shared.keys import Keys
from hookbus.worker.dlq.bulk import Tally
from hookbus.worker.inventory import registry
from hookbus.worker.retries import plan as planning
from hookbus.worker.retries.query import Retries
from hookbus.worker.retries.waiting import Filter
from tests.wait import until
from tests.worker.dead_letters import start_workers, subscribe
from tests.worker.parked import PACK, an_entry, park, queue

KEYS = Keys(0)
DELAYED = KEYS.delayed("billing")


async def ready(client) -> Retries:
    """Five parked deliveries with two errors, and two that are queued."""
    await subscribe(client, "response.*")
    await start_workers(client, "billing")
    await park(client, "wh_0", "wh_1", "wh_2")
    await park(client, "wh_3", "wh_4", error="KeyError: 'id'", due_ms=now_ms() + 90_000, is_snooze=True)
    await queue(client, "wh_q0", "wh_q1")
    return Retries(client, [KEYS], ["billing"])


async def run(client, retries, plan, stopping=None, progressed=lambda _: None, rate=0.0) -> Tally:
    stopping = stopping or asyncio.Event()
    return await planning.run(client, retries, plan, rate=rate, stopping=stopping, progressed=progressed)


async def later(client) -> int:
    """How many parked deliveries are not due."""
    return await client.execute_command("ZCOUNT", DELAYED, now_ms() + 1000, "+inf")


async def test_what_waits_is_counted_by_cause(client):
    found = await planning.count(await ready(client), Filter())
    assert [(each.error_class, each.message, each.count, dict(each.states)) for each in found] == [
        ("ValueError", "no such customer", 3, {"parked": 3}),
        ("", "", 2, {"queued": 2}),
        ("KeyError", "'id'", 2, {"snoozed": 2}),
    ]


async def test_now_takes_what_is_not_due_and_changes_nothing_before_it_runs(client):
    retries = await ready(client)
    plan = await planning.plan(client, retries, Filter(), "now")
    assert (plan.matching, [each.count for each in plan.causes], plan.hindrances) == (5, [3, 2], [])
    assert await later(client) == 5
    assert await run(client, retries, plan) == Tally(5)
    assert await later(client) == 0
    assert (await planning.plan(client, retries, Filter(), "now")).matching == 0


async def test_dead_letter_takes_all_that_waits(client):
    retries = await ready(client)
    plan = await planning.plan(client, retries, Filter(), "dead-letter")
    assert plan.matching == 7
    assert await run(client, retries, plan) == Tally(7)
    assert await client.execute_command("ZCARD", KEYS.dead("billing")) == 7
    assert await planning.count(retries, Filter()) == []


async def test_now_says_what_would_not_run(client):
    retries = await ready(client)
    await park(client, "wh_5", event_type="batch.failed")
    plan = await planning.plan(client, retries, Filter(), "now")
    assert [(each.type, each.why, each.count) for each in plan.hindrances] == [("batch.failed", "unsubscribed", 1)]


async def test_a_delivery_that_ran_and_failed_again_since_the_plan_is_not_in_it(client):
    retries = await ready(client)
    plan = await planning.plan(client, retries, Filter(errors=("ValueError",)), "dead-letter")
    await until(lambda: _is_over(client, plan))
    entry = an_entry("wh_again")
    fields = redelivery_fields(entry, 4, (Failure(3, plan.taken_ms + 1, 5, "c", "ValueError: again"),))
    await client.execute_command("EVAL", PACK, 1, KEYS.delayed_data("billing"), "response.completed||1-0", *fields)
    await client.execute_command("ZADD", DELAYED, now_ms() + 1000, "response.completed||1-0")
    await queue(client, "wh_queued_again", error="ValueError: again")
    assert await run(client, retries, plan) == Tally(3)
    found = [each.entry.webhook_id async for each in retries.walk(Filter(errors=("ValueError",)))]
    assert sorted(found) == ["wh_again", "wh_queued_again"]


async def _is_over(client, plan) -> bool:
    """Whether the millisecond of the plan has passed: what is queued within it counts as having been there."""
    return await registry.now_ms(client) > plan.taken_ms


async def test_a_run_moves_no_more_than_was_counted(client):
    retries = await ready(client)
    plan = await planning.plan(client, retries, Filter(errors=("ValueError",)), "now")
    await park(client, *(f"wh_more{i}" for i in range(10)))
    assert (await run(client, retries, plan)).moved == 3


async def test_a_run_reports_each_batch_and_can_be_cancelled_and_planned_again(client):
    retries = await ready(client)
    plan = await planning.plan(client, retries, Filter(), "dead-letter")
    stopping, steps = asyncio.Event(), list[int]()

    def cancel(tally: Tally) -> None:
        steps.append(tally.moved)
        stopping.set()

    assert await run(client, retries, plan, stopping, cancel, rate=2) == Tally(2)
    assert steps == [2]
    assert (await planning.plan(client, retries, Filter(), "dead-letter")).matching == 5
