import asyncio
import os
import signal
import time

import pytest
from multidict import CIMultiDict
from structlog.testing import capture_logs

from hookbus.ingest import rejections
from hookbus.ingest.rejections import Rejections
from hookbus.shared.connection import connect
from hookbus.shared.keys import Keys
from hookbus.shared.rejection import Rejection, read
from hookbus.shared.valkey import Valkey
from tests.ingest.serving import PATH, SECRET, Ingest, serving, signed
from tests.wait import until

KEY = Keys(0).rejections


def a_rejection(**changes) -> Rejection:
    fields = {
        "at_ms": 1_700_000_000_000,
        "code": "signature_mismatch",
        "status": 401,
        "source": "openai",
        "peer": "192.0.2.1",
        "reason": "no signature was made with a secret of this source",
        "skew_s": -2,
        "head_bytes": 300,
        "body_bytes": 90,
        "headers": ("host", "webhook-id"),
    }
    return Rejection(**fields | changes)


async def stored_rejections(client) -> list[Rejection]:
    return [rejection for _, rejection in await read(client, 0)]


async def start(client) -> tuple[Rejections, "asyncio.Task[None]"]:
    recorder = Rejections(client)
    return recorder, asyncio.create_task(recorder.run())


async def test_a_rejection_is_kept_with_facts_that_show_its_cause(ingest: Ingest, client):
    request = signed()
    stale = str(int(time.time()) - 4000)
    answer = await ingest.execute(request, webhook_timestamp=stale, x_forwarded_for="203.0.113.9")
    assert answer == (400, {"error": "timestamp_stale"})
    (found,) = await until(lambda: stored_rejections(client))
    assert (found.code, found.status, found.source, found.peer) == ("timestamp_stale", 400, "openai", "127.0.0.1")
    assert found.skew_s == pytest.approx(-4000, abs=5)
    assert found.reason.startswith("signed 40")
    assert found.body_bytes == len(request.body)
    assert 100 < found.head_bytes < 2000
    assert {"webhook-id", "webhook-signature", "x-forwarded-for"} <= set(found.headers)
    assert abs(found.at_ms / 1000 - time.time()) < 60


async def test_g8_only_names_and_numbers_of_a_request_are_kept(ingest: Ingest, client):
    request = signed(id="resp_private")
    await ingest.execute(request, webhook_signature="v1,cHJpdmF0ZSBzaWduYXR1cmU=", authorization="Bearer private")
    await ingest.execute(request, path="/nobody?token=private")
    await until(lambda: _are(client, 2))
    raw = str(await client.execute_command("XRANGE", KEY, "-", "+"))
    assert "private" not in raw
    assert request.webhook_id not in raw
    assert SECRET not in raw
    assert "authorization" in raw


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/webhooks/opena1/?token=private", "/webhooks/opena1/"),
        ("http://x.example/hooks%20x?y", "/hooks%20x"),
        ("/" + "z" * 5000, "/" + "z" * 199),
    ],
)
async def test_the_path_of_a_404_is_kept_without_its_query_in_ascii_and_bounded(ingest: Ingest, client, target, path):
    await ingest.raw(f"POST {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    (found,) = await until(lambda: stored_rejections(client))
    assert (found.code, found.path) == ("unknown_endpoint", path)


async def test_a_sender_that_is_served_at_a_path_other_than_its_own_is_kept_once(ingest: Ingest, client):
    for _ in range(3):
        assert await ingest.execute(signed(), path=f"{PATH}/") == (200, {"status": "accepted"})
    assert (await ingest.execute(signed()))[0] == 200
    (found,) = await until(lambda: stored_rejections(client))
    assert (found.code, found.status, found.source, found.path) == ("accepted", 200, "openai", f"{PATH}/")
    assert len(ingest.logged("path_mismatch")) == 1


async def _are(client, count: int) -> bool:
    return len(await stored_rejections(client)) == count


async def test_a_stored_event_leaves_no_rejection(ingest: Ingest, client):
    assert (await ingest.execute(signed()))[0] == 200
    await ingest.execute(signed(), path="/nobody")
    (found,) = await until(lambda: stored_rejections(client))
    assert (found.code, found.source) == ("unknown_endpoint", "")


async def test_g8_the_last_thousand_are_kept_and_headers_are_bounded(client, monkeypatch):
    assert rejections.MAX_KEPT == 1000
    monkeypatch.setattr(rejections, "MAX_KEPT", 3)
    recorder, task = await start(client)
    for i in range(7):
        recorder.record(a_rejection(skew_s=i))
    await until(lambda: _are(client, 3))
    task.cancel()
    assert [rejection.skew_s for rejection in await stored_rejections(client)] == [4, 5, 6]


async def test_g8_header_names_are_bounded_in_number_and_length_and_deduplicated(redis_url, client):
    async with serving(redis_url) as ingest:
        headers = CIMultiDict([("x-twice", "1"), ("X-Twice", "2"), *((f"x-{i}-{'y' * 100}", "z") for i in range(80))])
        async with ingest.session.post(ingest.base + "/nobody", headers=headers) as response:
            assert response.status == 404
        (found,) = await until(lambda: stored_rejections(client))
    assert len(found.headers) == rejections.MAX_HEADERS
    assert max(map(len, found.headers)) == rejections.HEADER_CHARS
    assert found.headers.count("x-twice") == 1


async def test_g8_a_flood_is_kept_in_part_with_the_number_left_out(ingest: Ingest, client):
    async def flood(count: int) -> None:
        await asyncio.gather(*(ingest.execute(signed(), path="/nobody") for _ in range(count)))

    await flood(300)
    await asyncio.sleep(1.1)  # the next second
    await flood(1)
    rejections_kept = await until(lambda: _once_some_are_left_out(client))
    assert sum(1 + rejection.left_out for rejection in rejections_kept) == 301
    assert len(rejections_kept) < 100


async def _once_some_are_left_out(client) -> list[Rejection]:
    found = await stored_rejections(client)
    return found if any(rejection.left_out for rejection in found) else []


@pytest.mark.parametrize("timestamp", ["", "soon", "1" * 25, "-5", "１２３"])
def test_an_unreadable_timestamp_has_no_skew(timestamp):
    assert rejections._skew_s(timestamp, 1000.0) is None


async def test_g9_an_answer_never_waits_for_the_record(own_server: Valkey):
    async with serving(own_server.url) as ingest:
        await ingest.execute(signed(), path="/nobody")
        os.kill(own_server.pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(2):
                for _ in range(20):
                    assert (await ingest.execute(signed(), path="/nobody"))[0] == 404
        finally:
            os.kill(own_server.pid, signal.SIGCONT)


async def test_g9_while_redis_is_unreachable_rejections_are_dropped_and_later_ones_kept(
    own_server: Valkey, monkeypatch
):
    monkeypatch.setattr(rejections, "PAUSE_S", 0.01)
    client = connect(own_server.url, "tests")
    recorder, task = await start(client)
    own_server.stop()
    for _ in range(10 * rejections.MAX_WAITING):
        recorder.record(a_rejection(code="not_durable"))
    assert len(recorder._waiting) == rejections.MAX_WAITING
    with capture_logs() as logs:
        await until(lambda: [log["count"] for log in logs if log["event"] == "rejections_dropped"])
    own_server.start()
    await until(lambda: _kept_after_another(recorder, client))
    assert {rejection.code for rejection in await stored_rejections(client)} == {"signature_mismatch"}
    task.cancel()
    await client.aclose()


async def _kept_after_another(recorder: Rejections, client) -> bool:
    recorder.record(a_rejection())
    return bool(await stored_rejections(client))


async def test_a_full_redis_drops_them_and_the_duty_goes_on(client, monkeypatch):
    monkeypatch.setattr(rejections, "PAUSE_S", 0.01)
    recorder, task = await start(client)
    await client.execute_command("CONFIG", "SET", "maxmemory", 1)
    recorder.record(a_rejection())
    await until(lambda: not recorder._waiting)
    await client.execute_command("CONFIG", "SET", "maxmemory", 0)
    await until(lambda: _kept_after_another(recorder, client))
    assert not task.done()
    task.cancel()
