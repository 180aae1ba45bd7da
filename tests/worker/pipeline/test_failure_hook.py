"""`on_failure`, called by a real subscriber; a list takes the place of the writer to Redis."""

import asyncio
import contextlib
import threading

import msgspec
import pytest
from structlog.testing import capture_logs

from hookbus import App, ExpiredError, Hold, Pause, Reject, Retry, RetryLater, UndecodableError
from hookbus.worker.pipeline import deadline, failure_hook
from hookbus.worker.pipeline.process import Caller
from hookbus.worker.pipeline.routes import build
from hookbus.worker.pipeline.slots import Slots
from hookbus.worker.pipeline.subscriber import Subscriber
from tests.wait import until
from tests.worker.builders import GROUP, TYPE, a_delivery, an_in_flight


class Running:
    """A subscriber whose outcomes are written at once; `events` says in which order things happened."""

    def __init__(self, handler, on_failure, *, lifespan=None, **options) -> None:
        self.events: list[str] = []
        app = App(GROUP, on_failure=on_failure, lifespan=lifespan)
        app.on(TYPE, **options)(handler)
        route = build([app], 30.0)[0].routes[0]
        self.state = route.state
        self.slots = Slots(route.concurrency)
        self.subscriber = Subscriber(
            route=route,
            caller=Caller(route, route.concurrency),
            slots=self.slots,
            outcome_writer=self,
            observe=lambda *_: None,
            stopping=asyncio.Event(),
        )

    def settle(self, in_flight, outcome, slots, duration_s) -> None:
        self.events.append("settled")
        slots.settled(in_flight)

    async def run(self, **changes) -> None:
        self.subscriber.accept(msgspec.structs.replace(an_in_flight(), **changes))
        await until(lambda: "settled" in self.events)
        await self.subscriber.reported()


@contextlib.asynccontextmanager
async def running(handler, on_failure, **options):
    found = Running(handler, on_failure, **options)
    yield found
    await found.subscriber.finish(0)
    found.subscriber.close()


class Reports(list):
    async def report(self, delivery, error, outcome) -> None:
        self.append((delivery, error, outcome))


def raising(error):
    async def handle(event: dict) -> None:
        raise error

    return handle


async def test_a_failed_attempt_is_reported_with_the_error_object_and_its_outcome():
    reports, error = Reports(), ValueError("no")
    async with running(raising(error), reports.report) as it:
        await it.run()
    [(delivery, seen, outcome)] = reports
    assert seen is error
    assert (delivery.webhook_id, delivery.attempt) == ("wh_1", 1)
    assert outcome.is_retried
    assert outcome.wait_s >= 1


@pytest.mark.parametrize(
    ("error", "options", "reason"),
    [
        (Reject("never"), {}, "rejected"),
        (ValueError(), {"retry": Retry(attempts=1)}, "attempts_exhausted"),
    ],
)
async def test_an_attempt_that_ends_in_a_dead_letter_is_reported_with_its_reason(error, options, reason):
    reports = Reports()
    async with running(raising(error), reports.report, **options) as it:
        await it.run()
    [(_, seen, outcome)] = reports
    assert (seen, outcome.is_dead, outcome.reason) == (error, True, reason)


@pytest.mark.parametrize("error", [RetryLater(1), Hold(1), Pause("x"), None], ids=repr)
async def test_success_and_what_a_handler_asked_for_are_no_failures(error):
    reports = Reports()

    async def handle(event: dict) -> None:
        if error:
            raise error

    async with running(handle, reports.report) as it:
        await it.run()
    assert not reports


async def test_a_timeout_is_reported():
    reports = Reports()

    async def handle(event: dict) -> None:
        await asyncio.Event().wait()

    async with running(handle, reports.report, timeout=0.05) as it:
        await it.run()
    [(_, error, _)] = reports
    assert isinstance(error, TimeoutError)


async def test_an_attempt_that_was_abandoned_is_reported_once(monkeypatch):
    from hookbus.worker.pipeline import subscriber

    monkeypatch.setattr(deadline, "CANCEL_S", 0.05)
    monkeypatch.setattr(subscriber, "CANCEL_S", 0.05)
    reports, go = Reports(), asyncio.Event()

    async def stubborn(event: dict) -> None:
        while not go.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await go.wait()
        raise ValueError("late")

    async with running(stubborn, reports.report, timeout=0.05) as it:
        await it.run()
        go.set()
        await until(lambda: it.subscriber.overdue() == 0)
        await it.subscriber.reported()
    [(_, error, _)] = reports
    assert isinstance(error, TimeoutError)


async def test_an_undecodable_body_is_reported_with_our_own_error_and_that_of_the_decoder():
    reports = Reports()

    class Narrow(msgspec.Struct):
        data: int

    async def handle(event: Narrow) -> None: ...

    async with running(handle, reports.report) as it:
        await it.run()
    [(_, error, outcome)] = reports
    assert isinstance(error, UndecodableError)
    assert isinstance(error.__cause__, msgspec.ValidationError)
    assert outcome.reason == "undecodable"


async def test_an_entry_that_hookbus_did_not_write_is_reported():
    reports = Reports()
    async with running(raising(ValueError()), reports.report) as it:
        await it.run(flaw="no body")
    [(_, error, outcome)] = reports
    assert (type(error), str(error), outcome.reason) == (UndecodableError, "no body", "undecodable")


async def test_an_expired_event_is_reported():
    reports = Reports()
    async with running(raising(ValueError()), reports.report, max_age=20) as it:
        await it.run(delivery=a_delivery(received_at_ms=1_000))
    [(_, error, outcome)] = reports
    assert isinstance(error, ExpiredError)
    assert "max_age is 20 s" in str(error)
    assert outcome.reason == "expired"


async def test_it_gets_the_state_and_its_log_lines_carry_the_delivery(monkeypatch):
    states = []

    async def report(delivery, error, outcome):
        states.append(delivery.state)

    @contextlib.asynccontextmanager
    async def lifespan(app):
        yield

    async with running(raising(ValueError()), report, lifespan=lifespan) as it:
        it.state.value = {"client": 1}
        await it.run()
    assert states == [{"client": 1}]


async def test_the_outcome_is_passed_on_before_it_runs():
    async def report(delivery, error, outcome):
        it.events.append("reported")

    async with running(raising(ValueError()), report) as it:
        await it.run()
    assert it.events == ["settled", "reported"]


async def test_a_plain_function_runs_in_a_thread():
    threads = []

    def report(delivery, error, outcome):
        threads.append(threading.current_thread())

    async with running(raising(ValueError()), report) as it:
        await it.run()
    assert threads != [threading.main_thread()]


@pytest.mark.parametrize("error", [KeyError("oops"), SystemExit(1), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("is_async", [True, False])
async def test_what_it_raises_is_logged_and_changes_nothing(error, is_async):
    async def report(delivery, failure, outcome):
        raise error

    def plain(delivery, failure, outcome):
        raise error

    with capture_logs() as logs:
        async with running(raising(ValueError()), report if is_async else plain) as it:
            await it.run()
    [line] = logs
    assert (line["event"], line["webhook_id"]) == ("on_failure_failed", "wh_1")
    assert type(error).__name__ in line["error"]
    assert "test_failure_hook.py" in line["exception"]
    assert it.events == ["settled"]


async def test_one_that_hangs_is_cancelled(monkeypatch):
    monkeypatch.setattr(failure_hook, "LIMIT_S", 0.05)

    async def report(delivery, failure, outcome):
        await asyncio.Event().wait()

    with capture_logs() as logs:
        async with running(raising(ValueError()), report) as it:
            await it.run()
            assert not it.subscriber.has_leftovers()
    assert [line["error"].split(":")[0] for line in logs] == ["TimeoutError"]


async def test_calls_take_the_places_of_their_attempts_so_there_are_never_more_than_handlers():
    go = asyncio.Event()
    running_now = []

    async def report(delivery, failure, outcome):
        running_now.append(delivery.webhook_id)
        await go.wait()

    async with running(raising(ValueError()), report, concurrency=2) as it:
        for number in range(4):
            it.subscriber.accept(an_in_flight(f"wh_{number}", number + 1))
        await until(lambda: len(running_now) == 2)
        assert it.subscriber.free() == -2  # the other two wait
        go.set()
        await until(lambda: len(running_now) == 4)
        await it.subscriber.reported()
        assert it.subscriber.free() == 2


async def test_a_thread_that_outlives_its_time_keeps_its_place_and_is_left_over(monkeypatch):
    monkeypatch.setattr(failure_hook, "LIMIT_S", 0.05)
    go = threading.Event()

    def report(delivery, failure, outcome):
        go.wait(10)

    async with running(raising(ValueError()), report, concurrency=2) as it:
        await it.run()
        assert (it.subscriber.free(), it.subscriber.has_leftovers()) == (1, True)
        go.set()
        await until(lambda: it.subscriber.free() == 2)
        assert not it.subscriber.has_leftovers()


async def test_without_one_nothing_is_begun():
    async with running(raising(ValueError()), None) as it:
        before = asyncio.all_tasks()
        await it.run()
        assert asyncio.all_tasks() == before
