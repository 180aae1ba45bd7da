"""Jobs of one console: each has an end, and no more run than may."""

import asyncio
from functools import partial

import pytest
from structlog.testing import capture_logs

from hookbus.shared.command import FailedError
from hookbus.shared.settings import ConfigError
from hookbus.worker import audit
from hookbus.worker.audit import Action
from hookbus.worker.console import jobs
from hookbus.worker.console.job_store import Confirmed
from hookbus.worker.console.jobs import MAX_RUNNING, Jobs
from hookbus.worker.console.plans.planned import Move
from hookbus.worker.dlq import plan as planning
from hookbus.worker.dlq.query import DeadLetters
from tests.wait import until
from tests.worker.builders import GROUP
from tests.worker.dead_letters import create_groups, letter, store_letters

ACTION = Action(verb="dlq discard", who="ann@host", via="console", matching=9)
CONFIRMED = Confirmed(ACTION, {"verb": "discard"}, 9, 1.0)


@pytest.fixture
async def begin(client):
    """A function that begins a job which discards nine letters, one a second."""
    await create_groups(client, GROUP)
    await store_letters(client, *(letter(f"wh_{i}") for i in range(9)))
    store = await DeadLetters.open(client, 1)
    plan = await planning.discard(client, store, planning.Filter())
    move = Move(plan.moving, partial(planning.run, client, store, plan))
    return lambda to, same=None, move=move: to.start(move, CONFIRMED, same=same)


@pytest.mark.parametrize("error", [KeyError("a bug"), ConfigError(["data layout 99"]), FailedError("no group")])
async def test_a_move_that_fails_frees_its_place_and_has_an_end_in_the_audit(client, begin, error):
    async def fails(*_arguments, **_keywords):
        raise error

    here = Jobs(client, lambda: True, lambda: None)
    with capture_logs() as logs:
        for _ in range(MAX_RUNNING + 1):
            job = await begin(here, move=Move(9, fails))
            await until(lambda: not here.running)
    assert [log["event"] for log in logs] == ["job_failed"] * (MAX_RUNNING + 1) * isinstance(error, KeyError)
    assert (job.state, job.error) == ("failed", jobs.BUG if isinstance(error, KeyError) else str(error))
    await until(lambda: _results(client, ["failed"] * (MAX_RUNNING + 1)))


async def _results(client, expected):
    return [entry.result for entry in await audit.fetch(client, 50)] == expected


async def test_forms_at_once_begin_no_more_jobs_than_may_run(client, begin):
    here = Jobs(client, lambda: True, lambda: None)
    found = await asyncio.gather(*(begin(here) for _ in range(MAX_RUNNING + 2)), return_exceptions=True)
    assert [type(each) for each in found].count(FailedError) == 2
    assert len(here.running) == MAX_RUNNING
    await here.stop()


async def test_a_double_click_is_one_job_even_when_the_first_is_done(client, begin, monkeypatch):
    here = Jobs(client, lambda: True, lambda: None)
    first, second = await asyncio.gather(begin(here, "a form"), begin(here, "a form"))
    assert first is second
    first.stopping.set()
    await until(lambda: first.state == "stopped")
    third = await begin(here, "a form")
    assert third is not first, "what was stopped may be begun again"
    await here.stop()


async def test_a_console_that_stops_begins_no_job_and_leaves_none_running(client, begin):
    here = Jobs(client, lambda: True, lambda: None)
    found = await asyncio.gather(begin(here), here.stop(), begin(here), return_exceptions=True)
    assert found[0].state == "stopped"
    assert "is being stopped" in str(found[2])
    assert not here.running


async def test_a_stop_waits_for_no_move_that_hangs(client, begin, monkeypatch):
    async def hangs(*_arguments, **_keywords):
        await asyncio.Event().wait()

    monkeypatch.setattr(jobs, "STOP_S", 0.05)
    with capture_logs() as logs:
        here = Jobs(client, lambda: True, lambda: None)
        job = await begin(here, move=Move(9, hangs))
        await here.stop()
    assert [(log["event"], log["job"]) for log in logs] == [("job_interrupted", job.id)]
    await until(lambda: not here._tasks)
