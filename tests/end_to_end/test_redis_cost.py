"""Commands and bytes that an event costs Redis, by the server's own counts: a lost batch shows without any timing.

Each bound is the need of the design, with room for batches that a busy machine makes smaller, and far below the cost
of one round trip per event. An event is OpenAI's example of `response.completed`: 151 bytes, and a webhook-id of 35.
"""

from dataclasses import dataclass

import pytest
from redis.asyncio import Redis

from hookbus.shared.connection import parse_info
from tests.bench import backlog, pace, waits
from tests.bench.waits import Sender
from tests.programs import Ingest, Worker, event_body, post
from tests.wait import until

PATH = ("evalsha", "eval", "xadd", "sadd", "smismember", "xreadgroup", "xack", "xpending")
"""Commands on the path of an event. Duties that run once a second are left out: their count depends on time."""


@dataclass(frozen=True)
class Counts:
    """Commands that succeeded and bytes that a server has counted so far. A health check's XADD is refused."""

    calls: dict[str, int]
    received_bytes: int
    sent_bytes: int

    def since(self, before: "Counts") -> "Counts":
        calls = {name: count - before.calls.get(name, 0) for name, count in self.calls.items() if name in PATH}
        received, sent = self.received_bytes - before.received_bytes, self.sent_bytes - before.sent_bytes
        return Counts({name: count for name, count in calls.items() if count}, received, sent)


async def counts(client: Redis) -> Counts:
    commands = parse_info(await client.execute_command("INFO", "commandstats"))
    figures = {
        name.removeprefix("cmdstat_"): dict(figure.split("=") for figure in line.split(","))
        for name, line in commands.items()
    }
    calls = {name: int(figure["calls"]) - int(figure["failed_calls"]) for name, figure in figures.items()}
    stats = parse_info(await client.execute_command("INFO", "stats"))
    return Counts(calls, int(stats["total_net_input_bytes"]), int(stats["total_net_output_bytes"]))


@pytest.fixture
async def ingest(redis_url):
    with Ingest(redis_url) as program:
        yield await program.until_healthy()


async def test_events_that_arrive_together_are_stored_by_one_script_call(ingest, client):
    events = 256
    await post(ingest.url, "wh_first", event_body())  # loads the script
    pacer = await pace.http(ingest.port).connect(events)
    sends = Sender(pacer, waits.post).prepared(events)
    before = await counts(client)
    # While Redis does not answer, all of them queue behind the first.
    await client.execute_command("CLIENT", "PAUSE", "1000", "WRITE")
    for send in sends:
        send()
    await pacer.answered()
    pacer.close()
    spent = (await counts(client)).since(before)
    assert spent.calls["xadd"] == events
    # The first batch holds the first events, the second those that arrived meanwhile; one more for a machine that did
    # not deliver all of them within the pause, and one for a health check.
    assert spent.calls["evalsha"] <= 4
    # In the script: an XADD and a SADD per event, and a lookup in six day sets per batch.
    assert sum(spent.calls.values()) <= 2 * events + 10 * spent.calls["evalsha"]
    # Body, id, digest, source, time, and the lengths between them.
    assert spent.received_bytes / events <= 151 + 35 + 130


async def test_a_backlog_is_read_and_acked_a_hundred_at_a_time(server, redis_url, client):
    events = 5000
    await backlog.store(server, events)
    before = await counts(client)
    with Worker(redis_url, "tests.bench.handlers:app", BENCH_GROUP="cost", BENCH_EVENTS=str(events)) as worker:
        await worker.until_logged("measured")
        await until(lambda: acked(client), what="all acks")
        spent = (await counts(client)).since(before)
    # A read fills the free slots, at most a hundred; a quarter of that on average is enough.
    assert spent.calls["xreadgroup"] <= events / 25
    assert spent.calls["xack"] <= events / 25
    # A handled event needs nothing else; the rest is the start: liveness scripts, a read of the own pending entries.
    assert sum(spent.calls.values()) <= 2 * events / 25 + 20
    # From Redis: body, id, source, time, names of fields, entry id. To Redis: the entry id once, in its ack.
    assert spent.sent_bytes / events <= 151 + 35 + 150
    assert spent.received_bytes / events <= 45


async def acked(client: Redis) -> bool:
    [flat] = await client.execute_command("XINFO", "GROUPS", backlog.STREAM)
    group = dict(zip(flat[::2], flat[1::2], strict=True))
    return int(group[b"lag"]) == 0 and int(group[b"pending"]) == 0
