"""What is planned to be forgotten is looked at again before it goes; a run that was stopped is completed by another."""

import asyncio

import pytest

from hookbus.shared.command import FailedError
from hookbus.worker.groups import forget_plan
from tests.worker.builders import store
from tests.worker.dead_letters import letter, store_letters
from tests.worker.groups.test_forget import everything, traces
from tests.worker.groups.test_forget_type import GONE, add_live_consumer, dropped, of_type


async def run(client, plan, *, is_stopping=False):
    """The tally of a run."""
    stopping, told = asyncio.Event(), []
    if is_stopping:
        stopping.set()
    tally = await forget_plan.run(client, 1, plan, stopping=stopping, progressed=told.append)
    assert told[-1] == tally
    moved = [each.moved for each in told]
    assert moved == sorted(moved), "it goes forward"
    assert is_stopping or len({*moved}) > 2, "and in steps"
    return tally


async def test_what_arrives_after_the_plan_goes_as_well(client):
    await everything(client)
    plan = await forget_plan.plan(client, 1, "billing")
    await store(client, "wh_new")
    tally = await run(client, plan)
    assert (plan.matching, tally.moved, tally.gone) == (11, 12, 0)
    assert await traces(client) == []


async def test_a_run_refuses_with_both_figures_when_more_is_dead_than_was_planned(client):
    await everything(client)
    plan = await forget_plan.plan(client, 1, "billing")
    await store_letters(client, letter("wh_9"), shards=2)
    before = await traces(client)
    with pytest.raises(FailedError, match=r"nothing was forgotten: billing has 8 .* had 7 when it was counted"):
        await run(client, plan)
    assert await traces(client) == before


async def test_a_run_refuses_when_a_worker_has_come(client):
    await everything(client)
    plan = await forget_plan.plan(client, 1, "billing")
    await add_live_consumer(client, "web-1", "*")
    before = await traces(client)
    with pytest.raises(FailedError, match="live consumers: web-1"):
        await run(client, plan)
    assert await traces(client) == before


async def test_a_run_that_is_stopped_says_what_went_and_another_completes_it(client):
    await everything(client)
    plan = await forget_plan.plan(client, 1, "billing")
    tally = await run(client, plan, is_stopping=True)
    assert (tally.moved, tally.done < plan.matching) == (0, True)
    assert (await run(client, plan)).moved == 11
    assert await traces(client) == []


async def test_a_type_whose_removal_is_stopped_is_still_there(client):
    await dropped(client)
    plan = await forget_plan.plan(client, 1, "billing", GONE)
    before = await of_type(client)
    assert (await run(client, plan, is_stopping=True)).moved == 0
    assert await of_type(client) == before
    assert (await run(client, plan)).moved == plan.matching == 6
    assert await of_type(client) == []
