"""The queue of suspects: who runs when, and in which child."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import structlog

from hookbus.shared.clock import now_ms
from hookbus.worker.pipeline.cause import Cause
from hookbus.worker.pipeline.outcome import ACK, Outcome, Park
from hookbus.worker.quarantine import quarantine
from hookbus.worker.quarantine.child import ChildEndedError
from hookbus.worker.quarantine.messages import Answer, Order
from hookbus.worker.quarantine.quarantine import PER_CHILD
from tests.wait import until
from tests.worker.builders import KEYS, TYPE, Handler, an_in_flight, register
from tests.worker.subscriptions import Runtime, runtime


class FakeChild:
    """A child that ends a suspect when the test says so."""

    made: list["FakeChild"]
    fails_to_start = 0

    def __init__(self, _launch) -> None:
        self.consumer = f"child{len(self.made)}.quarantine"
        self.runs = 0
        self.is_over = self.is_draining = False
        self.order: Order | None = None
        self.made.append(self)

    async def start(self) -> None:
        if FakeChild.fails_to_start:
            FakeChild.fails_to_start -= 1
            raise ChildEndedError("exit code 1")

    async def run(self, order: Order) -> Answer:
        self.runs += 1
        self.order, self._ended = order, asyncio.get_running_loop().create_future()
        return await self._ended

    def end(self, outcome: Outcome = ACK) -> None:
        self.order = None
        self._ended.set_result(Answer.of(outcome, 0.1))

    def die(self) -> None:
        self.order, self.is_over = None, True
        self._ended.set_exception(ChildEndedError("signal 9"))

    def drain(self) -> None:
        self.is_draining = True

    def close(self) -> None:
        self.is_draining = True

    def has_ended(self) -> bool:
        return self.is_over

    async def ended(self) -> None:
        await until(lambda: self.is_over)


@pytest.fixture
def children(monkeypatch) -> list[FakeChild]:
    FakeChild.made = []
    FakeChild.fails_to_start = 0
    monkeypatch.setattr(quarantine, "Child", FakeChild)
    monkeypatch.setattr(quarantine, "RECHECK_S", 0.02)
    return FakeChild.made


@contextlib.asynccontextmanager
async def running(url: str, client) -> AsyncIterator[Runtime]:
    async with runtime(url, client, Handler().route()) as subscription:
        task = asyncio.create_task(subscription.quarantine.run())
        yield subscription
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def begin(subscription: Runtime, *numbers: int, deaths: tuple[str, ...] = ()) -> None:
    for number in numbers:
        in_flight = an_in_flight(f"wh_{number}", number, times_delivered=3, deaths=deaths)
        subscription.quarantine.takes(in_flight, subscription.subscriber)


def at_work(children: list[FakeChild]) -> list[str]:
    """The entry ids that run, by child."""
    return [child.order.entry_id for child in children if child.order]


async def test_suspects_run_side_by_side_in_as_many_children_as_allowed_each_with_one(client, redis_url, children):
    async with running(redis_url, client) as subscription:
        begin(subscription, 1, 2, 3)
        await until(lambda: at_work(children) == ["1-0", "2-0"])
        children[0].end()
        await until(lambda: at_work(children) == ["3-0", "2-0"])
        assert (len(children), subscription.slots.running) == (2, 0)
        assert children[0].runs == 2


async def test_g5_a_suspect_of_which_a_child_died_runs_beside_no_other_in_a_child_that_ran_none(
    client, redis_url, children
):
    async with running(redis_url, client) as subscription:
        begin(subscription, 1)
        begin(subscription, 2, deaths=("a@1",))
        begin(subscription, 3)
        await until(lambda: at_work(children) == ["1-0"])
        children[0].end()
        await until(lambda: at_work(children) == ["2-0"])
        assert [(child.runs, child.is_draining) for child in children] == [(1, True), (1, False)]
        children[1].end()
        await until(lambda: at_work(children) == ["3-0"])


async def test_an_outcome_is_counted_here(client, redis_url, children):
    seen: list[Outcome] = []
    async with running(redis_url, client) as subscription:
        subscription.subscriber._observe = lambda outcome, _: seen.append(outcome)
        begin(subscription, 1)
        await until(lambda: at_work(children))
        park = Park(3.0, Cause("ValueError", "no"))
        children[0].end(park)
        await until(lambda: seen == [park])
        assert not subscription.slots.find((an_in_flight().stream, b"1-0"))


async def test_the_end_of_a_child_frees_its_suspect_and_its_liveness_key_is_deleted(client, redis_url, children):
    async with running(redis_url, client) as subscription:
        begin(subscription, 1)
        await until(lambda: at_work(children))
        await register(client, children[0].consumer, left_s=9)
        with structlog.testing.capture_logs() as logs:
            children[0].die()
            await until(lambda: not subscription.slots.find((an_in_flight().stream, b"1-0")))
        [line] = [line for line in logs if line["event"] == "quarantine_ended"]
        assert (line["reason"], line["webhook_id"], line["type"]) == ("signal 9", "wh_1", TYPE)
        assert not await client.execute_command("EXISTS", KEYS.alive(children[0].consumer))
        assert float(await client.execute_command("ZSCORE", KEYS.expiries, children[0].consumer)) <= now_ms()
        begin(subscription, 2)
        await until(lambda: at_work(children) == ["2-0"])
        assert len(children) == 2


async def test_suspects_of_an_open_breaker_wait_and_let_others_pass(client, redis_url, children):
    async with running(redis_url, client) as subscription:
        subscription.circuit.circuit_gate.set(0)
        begin(subscription, *range(1, 20))
        assert subscription.quarantine.room() == 2 * PER_CHILD
        await asyncio.sleep(0.1)
        assert at_work(children) == []
        subscription.circuit.circuit_gate.set(1)
        await until(lambda: at_work(children) == ["1-0"])
        assert subscription.circuit.circuit_gate.places == 0  # it is the probe


async def test_while_no_child_can_be_started_suspects_wait_and_the_log_says_so(client, redis_url, children):
    FakeChild.fails_to_start = 1
    with structlog.testing.capture_logs() as logs:
        async with running(redis_url, client) as subscription:
            begin(subscription, 1)
            await until(lambda: at_work(children) == ["1-0"])
    [line] = [line for line in logs if line["event"] == "quarantine_unavailable"]
    assert line["reason"] == "exit code 1"
    assert line["suspects"] == ["wh_1"]


@pytest.mark.parametrize("method", ["start", "run"])
async def test_a_bug_of_ours_frees_the_suspect_and_its_child_and_breaks_no_stop(
    client, redis_url, children, monkeypatch, method
):
    async def fail(*_: object) -> None:
        raise RuntimeError("a bug of ours")

    async with running(redis_url, client) as subscription:
        with monkeypatch.context() as patch, structlog.testing.capture_logs() as logs:
            patch.setattr(FakeChild, method, fail)
            begin(subscription, 1)
            await until(lambda: not subscription.slots.find((an_in_flight().stream, b"1-0")))
            assert [line["error"] for line in logs if line["event"] == "attempt_crashed"] == [
                "RuntimeError: a bug of ours"
            ]
            assert children[0].is_draining
            children[0].is_over = True
        begin(subscription, 2)
        await until(lambda: at_work(children) == ["2-0"])
        children[1].end()
        children[1].is_over = True
        subscription.quarantine.finish()
        await subscription.quarantine.ended(5)


async def test_an_idle_child_is_dismissed(client, redis_url, children, monkeypatch):
    monkeypatch.setattr(quarantine, "IDLE_S", 0.1)
    async with running(redis_url, client) as subscription:
        begin(subscription, 1)
        await until(lambda: at_work(children))
        await asyncio.sleep(0.2)
        assert not children[0].is_draining
        children[0].end()
        await until(lambda: children[0].is_draining)


async def test_a_stop_starts_no_suspect_tells_the_children_and_waits_for_them(client, redis_url, children):
    async with running(redis_url, client) as subscription:
        begin(subscription, 1, 2, 3)
        await until(lambda: len(at_work(children)) == 2)
        subscription.quarantine.finish()
        assert all(child.is_draining for child in children)
        waiting = asyncio.create_task(subscription.quarantine.ended(5))
        for child in children:
            child.end()
        await asyncio.sleep(0.1)
        assert (waiting.done(), at_work(children)) == (False, [])
        for child in children:
            child.is_over = True
        await waiting
        assert subscription.quarantine.room() == 0
