from hookbus import App, Breaker, Hold, Pause, Retry
from hookbus.testing import Bus
from tests.worker.testing.handlers import TYPE, Handler, an_app


async def test_a_hold_closes_its_subscription_until_it_ends():
    app, other = an_app(Handler(Hold(60), None)), Handler()
    app.on("batch.*")(other)
    async with Bus(app) as bus:
        outcome = await bus.deliver(TYPE, webhook_id="a")
        assert outcome.is_held
        assert outcome.is_snoozed
        assert outcome.wait_s == 60
        waiting = await bus.deliver(TYPE, webhook_id="b")
        assert waiting.is_waiting
        assert not waiting.is_handled
        assert (await bus.deliver("batch.failed")).is_handled, "of another subscription"
        assert await bus.advance(59) == []
        ran = await bus.advance(1)
        assert {each.delivery.webhook_id for each in ran} == {"a", "b"}
        assert all(each.is_handled for each in ran)
        assert (await bus.deliver(TYPE)).is_handled


async def test_a_pause_lasts_until_it_is_resumed_and_covers_all_that_its_pattern_matches():
    app, exact = an_app(Handler(Pause("no credit"), None), "response.*"), Handler()
    app.on("response.failed")(exact)
    async with Bus(app) as bus:
        outcome = await bus.deliver(TYPE)
        assert outcome.is_paused
        assert outcome.error == "Pause: no credit"
        assert (await bus.deliver(TYPE)).is_waiting
        assert (await bus.deliver("response.failed")).is_waiting
        assert await bus.advance(86_400) == []
        assert await bus.finish() == []
        outcomes = await bus.resume()
        assert [each.is_handled for each in outcomes] == [True] * 3
        assert (await bus.deliver(TYPE)).is_handled


async def test_a_resumed_pattern_begins_at_once():
    async with Bus(an_app(Handler(Pause("no credit"), None))) as bus:
        assert (await bus.deliver(TYPE)).is_paused
        assert await bus.resume() == [], "what asked for the pause is due in five seconds"
        assert (await bus.deliver(TYPE)).is_handled
        assert len(await bus.advance(5)) == 1


async def test_resume_ends_a_hold_too():
    async with Bus(an_app(Handler(Hold(3600), None))) as bus:
        await bus.deliver(TYPE, webhook_id="a")
        assert (await bus.deliver(TYPE, webhook_id="b")).is_waiting
        [ran] = await bus.resume()
        assert ran.delivery.webhook_id == "b", "the other one was promised an hour"


async def test_an_open_breaker_suspends_its_subscription_and_probes():
    handler = Handler(*[ValueError("down")] * 4, None)
    async with Bus(an_app(handler, breaker=Breaker(failures=3, delay=10), retry=Retry(base=1000))) as bus:
        assert [(await bus.deliver(TYPE)).is_retried for _ in range(3)] == [True] * 3
        assert [(await bus.deliver(TYPE)).is_waiting for _ in range(2)] == [True] * 2
        assert await bus.advance(9) == []
        [probe] = await bus.advance(1)
        assert probe.is_retried, "the first probe fails, so the next one comes twice as late"
        assert await bus.advance(19) == []
        [probe] = await bus.advance(1)
        assert probe.is_handled
        assert (await bus.deliver(TYPE)).is_handled
        assert len(await bus.finish()) == 4


async def test_without_a_breaker_failures_suspend_nothing():
    app = App("billing")
    app.on(TYPE, breaker=None)(Handler(ValueError("down")))
    async with Bus(app) as bus:
        assert [(await bus.deliver(TYPE)).is_retried for _ in range(30)] == [True] * 30
