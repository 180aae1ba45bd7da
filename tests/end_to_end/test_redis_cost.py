"""How many commands and bytes an event costs Redis, by its own counts: a lost batch shows without timing anything.

Each bound is what the design needs, with room for batches that a busy machine cuts smaller, and far below what one
round trip an event would take. An event is OpenAI's example of `response.completed`: 151 bytes, and a webhook-id of 35.
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
"""What events pass through. Duties that look once a second are left out: their count is one of seconds."""


@dataclass(frozen=True)
class Counts:
    """What a server has done so far."""

    calls: dict[str, int]
    received_bytes: int
    sent_bytes: int

    def since(self, before: "Counts") -> "Counts":
        calls = {name: count - before.calls.get(name, 0) for name, count in self.calls.items() if name in PATH}
        received, sent = self.received_bytes - before.received_bytes, self.sent_bytes - before.sent_bytes
        return Counts({name: count for name, count in calls.items() if count}, received, sent)


async def counts(client: Redis) -> Counts:
    commands = parse_info(await client.execute_command("INFO", "commandstats"))
    calls = {
        name.removeprefix("cmdstat_"): int(told.partition("=")[2].partition(",")[0]) for name, told in commands.items()
    }
    stats = parse_info(await client.execute_command("INFO", "stats"))
    return Counts(calls, int(stats["total_net_input_bytes"]), int(stats["total_net_output_bytes"]))


@pytest.fixture
async def ingest(redis_url):
    with Ingest(redis_url) as program:
        yield await program.until_fit()


async def test_events_that_arrive_together_cost_ingest_one_script_call(ingest, client):
    events = 256
    await post(ingest.url, "wh_first", event_body())  # by which the server learns the script
    pacer = await pace.http(ingest.port).connect(events)
    sends = Sender(pacer, waits.post).prepared(events)
    before = await counts(client)
    # While Redis does not answer, all of them gather behind the first.
    await client.execute_command("CLIENT", "PAUSE", "1000", "WRITE")
    for send in sends:
        send()
    await pacer.answered()
    pacer.close()
    found = (await counts(client)).since(before)
    assert found.calls["xadd"] == events
    # The first batch leaves with whatever came first, the second gathers what came meanwhile; one more for a machine
    # that did not deliver all of it within the pause.
    assert found.calls["evalsha"] <= 3
    # In the script: an XADD and a SADD each, and a look at six days for each batch.
    assert sum(found.calls.values()) <= 2 * events + 10 * found.calls["evalsha"]
    # Body, id, digest, source, time, and the lengths between them.
    assert found.received_bytes / events <= 151 + 35 + 130


async def test_a_backlog_is_read_and_acked_a_hundred_at_a_time(server, redis_url, client):
    events = 5000
    await backlog.store(server, events)
    before = await counts(client)
    with Worker(redis_url, "tests.bench.handlers:app", BENCH_GROUP="cost", BENCH_EVENTS=str(events)) as worker:
        await worker.until_logged("measured")
        await until(lambda: acked(client), what="all acks")
        found = (await counts(client)).since(before)
    # Reads fill the free slots, of which there are a hundred at most; half of that on average is good enough.
    assert found.calls["xreadgroup"] <= events / 25
    assert found.calls["xack"] <= events / 25
    # A handled event needs nothing else; what is left is the start: scripts of liveness, a look at one's own pending.
    assert sum(found.calls.values()) <= 2 * events / 25 + 20
    # From Redis: body, id, source, time, names of fields, entry id. To Redis: the entry id once, in its ack.
    assert found.sent_bytes / events <= 151 + 35 + 150
    assert found.received_bytes / events <= 45


async def acked(client: Redis) -> bool:
    [flat] = await client.execute_command("XINFO", "GROUPS", backlog.STREAM)
    group = dict(zip(flat[::2], flat[1::2], strict=True))
    return int(group[b"lag"]) == 0 and int(group[b"pending"]) == 0
