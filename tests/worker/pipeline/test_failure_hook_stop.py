import asyncio

from structlog.testing import capture_logs

from tests.wait import until
from tests.worker.builders import an_in_flight
from tests.worker.pipeline.test_failure_hook import raising, running


async def test_a_stop_waits_for_calls_within_its_grace_and_then_cancels_them():
    done = []

    async def report(delivery, failure, outcome):
        await asyncio.sleep(0.05 if not done else 100)
        done.append(delivery.webhook_id)

    async with running(raising(ValueError()), report) as it:
        it.subscriber.accept(an_in_flight())
        await until(lambda: it.events)
        assert await it.subscriber.finish(5) == 0
        assert done == ["wh_1"]
    async with running(raising(ValueError()), report) as it:
        it.subscriber.accept(an_in_flight())
        await until(lambda: it.events)
        with capture_logs() as logs:
            await it.subscriber.finish(0)
        assert not it.subscriber.has_leftovers()
    assert [line["event"] for line in logs] == ["on_failure_failed"]
