"""The sender alone, against a server with configurable answers."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
from aiohttp import web

from hookbus.ingest.signature import Verifier
from hookbus.shared.command import FailedError
from hookbus.shared.destination import Destination
from hookbus.shared.secret import key_bytes
from hookbus.worker.verify.ledger import Ledger
from hookbus.worker.verify.send import Plan, Sender
from tests.programs import SECRET
from tests.wait import TIMER_EARLY_S

Answers = Callable[[str, int], web.Response | None]
"""Webhook-id and number of its post (from 1) → answer; None closes the connection."""

ACCEPTED = '{"status": "accepted"}'
UNAVAILABLE = '{"error": "queue_unavailable"}'
TRIES = 3
"""The machine may be busy."""
DRIFTED_S = 2.7
"""A sender that does not catch up takes three seconds."""


def ok() -> web.Response:
    return web.Response(text=ACCEPTED)


def unavailable() -> web.Response:
    return web.Response(status=503, text=UNAVAILABLE)


class Receiver:
    """A server that records the posts and answers them with `answers`."""

    def __init__(self) -> None:
        self.answers: Answers = lambda webhook_id, time: ok()
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.seen: Counter[str] = Counter()
        self.url = ""
        self.running = 0
        self.max_running = 0
        self.delay_s = 0.0

    async def handle(self, request: web.Request) -> web.Response:
        self.times.append(time.monotonic())
        Verifier([SECRET]).verify(request.headers, await request.read(), time.time())
        self.headers.append(dict(request.headers))
        webhook_id = request.headers["webhook-id"]
        self.seen[webhook_id] += 1
        self.running += 1
        self.max_running = max(self.max_running, self.running)
        await asyncio.sleep(self.delay_s)
        self.running -= 1
        answer = self.answers(webhook_id, self.seen[webhook_id])
        if answer is None:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        return answer


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/", receiver.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield receiver
    await runner.cleanup()


async def sent(receiver: Receiver, count: int, *, stopping=None, **options) -> Ledger:
    defaults = {"rate": 0, "concurrency": 8, "patience_s": 5}
    plan = Plan(Destination(receiver.url, key_bytes(SECRET, "raw")), count, **defaults | options)
    ledger = Ledger("hookbus.verify.run", count)
    async with aiohttp.ClientSession() as session:
        sender = Sender(plan, ledger, session, stopping or asyncio.Event())
        await sender.first()
        await sender.others()
    return ledger


async def test_a_refused_event_is_posted_again_with_the_same_id_until_it_is_accepted(receiver):
    receiver.answers = lambda webhook_id, time: ok() if time >= 3 else unavailable()
    ledger = await sent(receiver, 4)
    assert ledger.accepted == 4
    assert set(receiver.seen.values()) == {3}
    assert ledger.answers == {(503, "queue_unavailable"): 8, (200, "accepted"): 4}


async def test_a_retry_is_signed_with_a_timestamp_of_its_own(receiver, monkeypatch):
    seconds = iter(range(int(time.time()), int(time.time()) + 100))
    monkeypatch.setattr("hookbus.shared.clock.now_s", lambda: next(seconds))
    receiver.answers = lambda webhook_id, time: ok() if time >= 2 else unavailable()
    await sent(receiver, 1)
    first, second = receiver.headers
    assert first["webhook-id"] == second["webhook-id"]
    assert first["webhook-timestamp"] < second["webhook-timestamp"]


async def test_an_event_is_given_up_after_its_timeout(receiver):
    receiver.answers = lambda webhook_id, time: ok() if webhook_id.endswith("_0") else unavailable()
    ledger = await sent(receiver, 3, patience_s=0.5)
    assert (ledger.accepted, len(ledger.refused())) == (1, 2)
    assert receiver.seen[ledger.webhook_id(1)] > 1


async def test_a_first_event_without_an_answer_is_posted_again_like_any_other(receiver):
    receiver.answers = lambda webhook_id, time: ok() if time >= 3 else None
    ledger = await sent(receiver, 2)
    assert ledger.accepted == 2
    assert set(receiver.seen.values()) == {3}


async def test_a_first_event_that_is_never_answered_ends_the_run_with_its_patience(receiver):
    receiver.answers = lambda webhook_id, time: None
    with pytest.raises(FailedError, match="Server disconnected"):
        await sent(receiver, 100, patience_s=0.5)
    assert receiver.seen.total() > 1


async def test_a_post_without_an_answer_leaves_its_event_unknown(receiver):
    receiver.answers = lambda webhook_id, time: ok() if webhook_id.endswith("_0") else None
    ledger = await sent(receiver, 3, patience_s=0)
    assert ledger.unknown() == [ledger.webhook_id(1), ledger.webhook_id(2)]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            web.Response(status=401, text='{"error": "signature_mismatch"}'),
            "401 signature_mismatch: the secret is not one of",
        ),
        (web.Response(status=400, text='{"error": "timestamp_stale"}'), "400 timestamp_stale: the clocks"),
        (web.Response(status=308, headers={"Location": "/x"}), "308: a redirect"),
        (web.Response(text="<html>"), "200: the server that answers is not hookbus-ingest"),
        (web.Response(status=403), "403"),
    ],
)
async def test_a_first_event_that_is_refused_for_good_ends_the_run_at_once(receiver, answer, message):
    receiver.answers = lambda webhook_id, time: answer
    with pytest.raises(FailedError) as caught:
        await sent(receiver, 100, patience_s=60)
    assert str(caught.value).startswith(f"{receiver.url}: {message}")
    assert receiver.seen.total() == 1


async def test_a_first_event_with_a_transient_refusal_is_posted_again_too(receiver):
    receiver.answers = lambda webhook_id, time: unavailable()
    with pytest.raises(FailedError, match="503 queue_unavailable"):
        await sent(receiver, 100, patience_s=0.5)
    assert 1 < receiver.seen.total() < 5


async def test_the_rate_is_a_schedule_that_does_not_drift_and_no_post_is_early(receiver):
    """50 events a second, one after the other; one response takes a second, and the sender catches up."""

    def answers(webhook_id: str, time: int) -> web.Response:
        receiver.delay_s = 1.0 if webhook_id.endswith("_9") else 0.0  # of the next one
        return ok()

    receiver.answers = answers
    took_s: list[float] = []
    while len(took_s) < TRIES and min(took_s, default=DRIFTED_S) >= DRIFTED_S:
        receiver.times.clear()
        began_s = time.monotonic()
        ledger = await sent(receiver, 100, rate=50, concurrency=1)
        took_s.append(time.monotonic() - began_s)
        assert ledger.accepted == 100
        ahead_s = [number / 50 - (at_s - began_s) for number, at_s in enumerate(receiver.times)]
        assert max(ahead_s) < 0.01
    assert 99 / 50 - TIMER_EARLY_S <= min(took_s) < DRIFTED_S


async def test_concurrent_posts_are_bounded(receiver):
    receiver.delay_s = 0.02
    await sent(receiver, 40, concurrency=3)
    assert receiver.max_running == 3


async def test_after_a_stop_running_posts_finish_and_no_other_starts(receiver):
    stopping = asyncio.Event()

    def answers(webhook_id: str, time: int) -> web.Response:
        if webhook_id.endswith("_5"):
            stopping.set()
        return ok()

    receiver.answers = answers
    ledger = await sent(receiver, 10_000, stopping=stopping, rate=1000, concurrency=2)
    assert ledger.posted == ledger.accepted < 50
    assert ledger.unknown() == []
