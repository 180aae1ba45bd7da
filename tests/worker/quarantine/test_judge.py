"""Suspects as a quarantine process runs them: claimed, run, settled, answered or handed over."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import msgspec
import pytest
import structlog

from hookbus import Delivery
from hookbus.shared import scripts
from hookbus.shared.connection import connect
from hookbus.shared.keys import HANDOVER
from hookbus.worker.pipeline.outcome import ACK, Park
from hookbus.worker.pipeline.pending_outcome import PendingOutcome
from hookbus.worker.pipeline.routes import Group, Route
from hookbus.worker.pipeline.settle import TAKEN_OVER, OutcomeWriter
from hookbus.worker.quarantine import judge
from hookbus.worker.quarantine.judge import Judge
from hookbus.worker.quarantine.messages import Answer, Order
from tests.wait import until
from tests.worker.builders import GROUP, KEYS, STREAM, TYPE, Handler, a_route, join, pending, settled, store, take
from tests.worker.subscriptions import settling

CHILD = "c.quarantine"


@dataclass
class Bench:
    """A judge, and what it works with."""

    judge: Judge
    outcome_writer: OutcomeWriter
    stopping: asyncio.Event


@contextlib.asynccontextmanager
async def judging(url: str, client, *routes: Route) -> AsyncIterator[Bench]:
    writer = connect(url, "tests:settle", has_term=True)
    async with settling(writer, CHILD) as outcome_writer:
        stopping = asyncio.Event()
        of_suspects = Judge(
            client=client,
            consumer=CHILD,
            groups=[Group(GROUP, "earliest", routes)],
            outcome_writer=outcome_writer,
            stopping=stopping,
        )
        yield Bench(of_suspects, outcome_writer, stopping)
        for subscriber in of_suspects.subscribers:
            await subscriber.finish(0)
            subscriber.close()
    await writer.aclose()


async def suspect(client, *, deaths: tuple[str, ...] = ()) -> Order:
    """The order for a suspect that is pending for the worker `owner`, for the third time."""
    await join(client)
    await store(client, "wh_1")
    (in_flight,) = await take(client, "owner")
    await client.execute_command("XCLAIM", STREAM, GROUP, "owner", 0, in_flight.entry_id, "RETRYCOUNT", 3)
    if deaths:
        await client.execute_command("HSET", KEYS.deaths(GROUP), in_flight.name, " ".join(deaths))
    return Order.of(msgspec.structs.replace(in_flight, deaths=deaths), "owner")


async def test_a_suspect_is_pending_for_the_process_while_it_runs_which_is_no_delivery_more(client, redis_url):
    handler = Handler()
    order = await suspect(client)
    async with judging(redis_url, client, handler.route()) as bench:
        judging_it = asyncio.create_task(bench.judge.judge(order))
        await until(lambda: handler.began == ["wh_1"])
        assert await pending(client) == {order.entry_id.encode(): (CHILD, 3)}
        assert bench.judge._suspect is not None
        assert bench.judge._suspect.times_delivered == 3
        handler.go()
        answer = await judging_it
    assert answer is not None
    assert (answer.outcome, handler.done) == (ACK, ["wh_1"])
    assert await settled(client)


async def test_the_answer_says_how_long_the_handler_took(client, redis_url):
    order = await suspect(client)
    async with judging(redis_url, client, Handler(is_open=True, pause_s=0.2).route()) as bench:
        answer = await bench.judge.judge(order)
    assert answer is not None
    assert 0.19 <= answer.duration_s < 5  # timers of uvloop may be a millisecond early


async def test_the_answer_comes_as_soon_as_the_outcome_is_written(client, redis_url, monkeypatch):
    monkeypatch.setattr(judge, "POLL_S", 60)
    order = await suspect(client)
    async with judging(redis_url, client, Handler(is_open=True).route()) as bench, asyncio.timeout(20):
        assert await bench.judge.judge(order)


async def test_the_outcome_of_a_suspect_that_others_took_meanwhile_is_discarded_with_that_reason(client, redis_url):
    handler = Handler()
    order = await suspect(client)
    with structlog.testing.capture_logs() as logs:
        async with judging(redis_url, client, a_route(handler_that_fails(handler))) as bench:
            judging_it = asyncio.create_task(bench.judge.judge(order))
            await until(lambda: handler.began)
            await client.execute_command("XCLAIM", STREAM, GROUP, "other", 0, order.entry_id)
            handler.go()
            assert await judging_it == Answer()
    assert [line["reason"] for line in logs if line["event"] == "outcome_discarded"] == [TAKEN_OVER]


async def test_an_outcome_that_was_not_written_is_not_reported_and_forgets_no_deaths(client, redis_url, monkeypatch):
    def fail(*_: object) -> None:
        raise ValueError("a bug of ours")

    order = await suspect(client, deaths=("a@1",))
    monkeypatch.setattr(PendingOutcome, "call", fail)
    async with judging(redis_url, client, Handler(is_open=True).route()) as bench:
        assert await bench.judge.judge(order) == Answer()
        assert await client.execute_command("HLEN", KEYS.deaths(GROUP)) == 1
        assert await pending(client, consumer=CHILD)


def handler_that_fails(handler: Handler) -> Callable[..., Awaitable[None]]:
    async def fail(event: dict, delivery: Delivery) -> None:
        await handler(event, delivery)
        raise ValueError("no")

    return fail


async def test_a_failed_attempt_is_parked_before_it_is_answered(client, redis_url):
    async def fail(event: dict) -> None:
        raise ValueError("no")

    order = await suspect(client)
    async with judging(redis_url, client, a_route(fail)) as bench:
        answer = await bench.judge.judge(order)
        assert answer is not None
        assert isinstance(answer.outcome, Park)
        assert answer.outcome.cause.error_class == "ValueError"
        assert await client.execute_command("ZCARD", KEYS.delayed(GROUP)) == 1
        assert await settled(client)


async def test_each_suspect_is_run_by_the_handler_of_its_type(client, redis_url):
    other, handler = Handler(is_open=True), Handler(is_open=True)
    order = await suspect(client)
    async with judging(redis_url, client, other.route("batch.*"), handler.route()) as bench:
        await bench.judge.judge(order)
    assert (other.done, handler.done) == ([], ["wh_1"])


async def test_the_deaths_of_a_suspect_are_forgotten_once_it_is_settled_and_no_sooner(client, redis_url):
    handler = Handler()
    order = await suspect(client, deaths=("a@1",))
    async with judging(redis_url, client, handler.route()) as bench:
        judging_it = asyncio.create_task(bench.judge.judge(order))
        await until(lambda: handler.began)
        assert await client.execute_command("HLEN", KEYS.deaths(GROUP)) == 1
        handler.go()
        await judging_it
        assert await client.execute_command("HLEN", KEYS.deaths(GROUP)) == 0


@pytest.mark.parametrize(
    "change",
    [
        ("XACK", STREAM, GROUP),
        ("XCLAIM", STREAM, GROUP, "other", 0),
        ("DEL", STREAM),
        ("SET", STREAM, "a slip"),
    ],
    ids=lambda command: command[0],
)
async def test_a_suspect_that_is_not_there_any_more_is_answered_and_not_run(client, redis_url, change):
    handler = Handler(is_open=True)
    order = await suspect(client)
    await client.execute_command(*change, *((order.entry_id,) if change[0].startswith("X") else ()))
    async with judging(redis_url, client, handler.route()) as bench:
        assert await bench.judge.judge(order) == Answer()
        assert await bench.judge.answer() is None  # that was it
    assert handler.began == []


async def test_a_claim_is_repeated_until_redis_answers(client, redis_url, monkeypatch):
    run, failures = scripts.run, [ConnectionError("away"), ConnectionError("away")]

    async def fail_first(*args):
        if failures:
            await run(*args)  # the reply is lost
            raise failures.pop()
        return await run(*args)

    order = await suspect(client)
    monkeypatch.setattr(scripts, "run", fail_first)
    async with judging(redis_url, client, Handler(is_open=True).route()) as bench:
        answer = await bench.judge.judge(order)
    assert answer is not None
    assert answer.outcome == ACK


async def test_a_claim_that_fails_ends_at_the_stop(client, redis_url, monkeypatch):
    async def fail(*_):
        raise ConnectionError("away")

    handler = Handler(is_open=True)
    order = await suspect(client)
    monkeypatch.setattr(scripts, "run", fail)
    async with judging(redis_url, client, handler.route()) as bench:
        judging_it = asyncio.create_task(bench.judge.judge(order))
        await asyncio.sleep(0.05)
        bench.stopping.set()
        async with asyncio.timeout(5):
            assert await judging_it == Answer()
    assert handler.began == []


async def test_g10_a_suspect_that_ends_during_the_stop_is_answered_once_its_outcome_is_written(client, redis_url):
    handler = Handler()
    order = await suspect(client)
    async with judging(redis_url, client, handler.route()) as bench:
        judging_it = asyncio.create_task(bench.judge.judge(order))
        await until(lambda: handler.began)
        bench.stopping.set()
        assert await judging_it is None
        assert await bench.judge.answer() is None
        handler.go()
        await until(lambda: handler.done)
        await bench.outcome_writer.all_written()
        answer = await bench.judge.answer()
        assert answer is not None
        assert answer.outcome == ACK
        assert await bench.judge.answer() is None
        assert await bench.judge.release() == 0


async def test_g10_what_did_not_end_is_handed_over_which_counts_as_no_death(client, redis_url):
    order = await suspect(client)
    async with judging(redis_url, client, Handler().route()) as bench:
        judging_it = asyncio.create_task(bench.judge.judge(order))
        await until(lambda: any(subscriber.slots.running for subscriber in bench.judge.subscribers))
        bench.stopping.set()
        assert await judging_it is None
        assert await bench.judge.release() == 1
    assert await pending(client) == {order.entry_id.encode(): (HANDOVER, 2)}


async def test_the_streams_that_suspects_came_from_are_known_by_shard_and_group(client, redis_url):
    async with judging(redis_url, client, Handler(is_open=True).route()) as bench:
        await bench.judge.judge(await suspect(client))
        assert dict(bench.judge.streams) == {(KEYS, GROUP): {STREAM}}


async def test_a_handler_that_runs_on_after_its_timeout_is_a_leftover(client, redis_url):
    release = asyncio.Event()

    async def hang(event: dict) -> None:
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await release.wait()

    order = await suspect(client)
    async with judging(redis_url, client, Handler().route("batch.*"), a_route(hang, TYPE, timeout=0.1)) as bench:
        assert not bench.judge.has_leftovers()
        answer = await bench.judge.judge(order)
        assert answer is not None
        assert isinstance(answer.outcome, Park)
        assert bench.judge.has_leftovers()
        release.set()
        await until(lambda: not bench.judge.has_leftovers())
