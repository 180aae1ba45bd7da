"""Only a run that has its group in Redis gets its events stored, at the price of one question in ten seconds."""

import asyncio

import pytest

from hookbus.ingest import verify_runs
from hookbus.ingest.enqueue import RefusedError
from hookbus.ingest.source_types import NotAllowedError
from hookbus.ingest.verify_runs import FRESH_S, MAX_RUNS, VerifyRuns
from hookbus.shared.connection import connect
from hookbus.shared.keys import HOME
from hookbus.shared.run_names import new_name
from tests import users

RUN = "hookbus.verify.1795830303-0e1732b843ed"


class Asked:
    """Counts the questions, and answers each with `answer`."""

    def __init__(self, answer: int | Exception = 1) -> None:
        self.answer = answer
        self.count = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def execute_command(self, *command: str) -> int:
        assert command[:2] == ("HEXISTS", HOME.groups)
        self.count += 1
        await self.gate.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def clock(monkeypatch):
    now_s = [1000.0]
    monkeypatch.setattr(verify_runs.time, "monotonic", lambda: now_s[0])
    return now_s


async def test_a_run_is_admitted_once_its_group_exists_and_no_longer_when_it_is_removed(redis_url, client, clock):
    own = connect(users.login(redis_url, "hookbus-ingest", "serve"), "tests", connections=1)
    runs = VerifyRuns(own, 5)
    with pytest.raises(NotAllowedError, match=RUN):
        await runs.admit(RUN)
    await client.execute_command("HSET", HOME.groups, RUN, "0-0")
    await runs.admit(RUN)
    await client.execute_command("HDEL", HOME.groups, RUN)
    clock[0] += FRESH_S
    with pytest.raises(NotAllowedError):
        await runs.admit(RUN)
    await own.aclose()


async def test_the_events_of_a_run_ask_once_in_ten_seconds_also_those_that_arrive_together(clock):
    asked = Asked()
    asked.gate.clear()
    runs = VerifyRuns(asked, 5)
    together = [asyncio.create_task(runs.admit(RUN)) for _ in range(20)]
    await asyncio.sleep(0)
    asked.gate.set()
    await asyncio.gather(*together)
    await runs.admit(RUN)
    assert asked.count == 1
    clock[0] += FRESH_S
    await runs.admit(RUN)
    assert asked.count == 2


async def test_the_runs_that_are_remembered_are_bounded(clock):
    runs = VerifyRuns(Asked(), 5)
    for number in range(3 * MAX_RUNS):
        await runs.admit(new_name(number * 1000))
    assert len(runs._asked_s) <= MAX_RUNS


async def test_without_an_answer_in_time_the_sender_is_to_come_again():
    asked = Asked()
    asked.gate.clear()
    runs = VerifyRuns(asked, 0.05)
    for caught in await asyncio.gather(*(runs.admit(RUN) for _ in range(3)), return_exceptions=True):
        assert isinstance(caught, RefusedError)
        assert caught.code == "queue_unavailable"
    asked.gate.set()
    await runs.admit(RUN)


async def test_an_error_of_redis_is_no_verdict_about_the_run():
    runs = VerifyRuns(Asked(ConnectionRefusedError("refused")), 5)
    with pytest.raises(RefusedError, match="refused"):
        await runs.admit(RUN)
