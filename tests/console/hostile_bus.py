"""A Redis with a hostile text in every field that senders, handlers, processes and people fill."""

import itertools
import json
from collections.abc import Iterator
from typing import Final

from hookbus.shared import ingest_record
from hookbus.shared.connection import Redis
from hookbus.shared.entry import Failure
from hookbus.shared.ingest_record import IngestRecord
from hookbus.shared.keys import HOME
from hookbus.shared.rejection import encode as encode_rejection
from hookbus.worker import audit
from hookbus.worker.audit import Action
from hookbus.worker.inventory import pauses, registry, running
from hookbus.worker.inventory.readers import register
from hookbus.worker.inventory.running import Running, RunningDelivery
from hookbus.worker.inventory.suspensions import KEY, Held, Opened, encode, field
from hookbus.worker.pipeline.dead_letter import DeadLetterRecord
from tests.console.hostile import CORPUS, DEEP, LINE, LONG
from tests.ingest.test_rejections import a_rejection
from tests.worker.builders import GROUP, KEYS, join, store
from tests.worker.dead_letters import DEAD_MS, create_groups, store_letters
from tests.worker.dead_letters import letter as a_letter
from tests.worker.parked import park

OF_LETTERS: Final = (
    "webhook-id", "type", "source", "error class", "message", "frame", "traceback", "failure", "consumer of a failure",
    "body key", "body value",
)  # fmt: skip
_FIELDS: Final = (
    *OF_LETTERS,
    "breaker", "pause", "consumer", "pattern", "running webhook-id", "running type", "parked", "parked webhook-id",
    "verb", "person", "reason", "filter",
    "process", "release", "listen", "source of a process", "not ready",
    "code", "source of a request", "peer", "why refused", "header", "path",
    "stored type", "stored webhook-id",
)  # fmt: skip
"""Their texts are shown by some page each."""
VISIT_MS: Final = 600_000
"""Longer than the visit of all pages takes: they say less of a process that has ended."""


def text_of(name: str, text: str) -> str:
    """What a field holds: its name too, so that a page that shows the text shows it of this field."""
    return f"{name} {text}"


def name_of(text: str) -> str:
    """The dead letter with a text in each of its fields."""
    return text_of("webhook-id", text)


def shown() -> Iterator[str]:
    """Each text that some page shows, as that shows it."""
    for name, text in itertools.product(_FIELDS, CORPUS):
        told = text_of(name, text)
        yield json.dumps(told, ensure_ascii=False) if name == "body value" else told


def _letters() -> Iterator[DeadLetterRecord]:
    for i, text in enumerate(CORPUS):
        of = {name: text_of(name, text) for name in OF_LETTERS}
        yield a_letter(
            of["webhook-id"],
            type=of["type"],
            source=of["source"],
            dead_lettered_at_ms=DEAD_MS + i,
            error_class=of["error class"],
            message=of["message"],
            frame=of["frame"],
            traceback=of["traceback"],
            traceparent=text,
            body=json.dumps({of["body key"]: of["body value"]}).encode(),
            history=(Failure(1, DEAD_MS, 1, of["consumer of a failure"], of["failure"]),),
        )
    long = {"error_class": LONG, "message": LONG, "frame": LONG, "traceback": LONG}
    yield a_letter("wh_deep", body=DEEP, **long)
    yield a_letter("wh_line", body=LINE)
    yield a_letter("wh_surrogate", body=b'{"\\ud800": "\\udfff"}')


async def _processes(client: Redis, text: str, i: int) -> None:
    """A worker and an ingest process, alive, which tell what they like."""
    now_ms = await registry.now_ms(client)
    consumer = f"{text_of('consumer', text)}.{i}.ab"
    told = register(1, [text_of("pattern", text)], "")
    await client.execute_command("HSET", KEYS.consumers(GROUP), consumer, told)
    await client.execute_command("SET", KEYS.alive(consumer), 1, "PX", VISIT_MS)
    names = text_of("running type", text), text_of("running webhook-id", text)
    runs = RunningDelivery(GROUP, text, *names, now_ms - 90_000, 1)
    await client.execute_command("SET", HOME.running(consumer), running.encode(Running(now_ms, longest=(runs,))))
    for state, reason in (("ready", ""), ("waiting", text_of("not ready", text))):
        record = IngestRecord(
            now_ms + VISIT_MS,
            1,
            text_of("release", text),
            (text_of("listen", text),),
            (text_of("source of a process", text),),
            text,
            text,
            reason,
            {text: 1},
        )
        name = f"{text_of('process', text)} {state}.{i}.ab"
        await client.execute_command("HSET", HOME.ingests, name, ingest_record.encode(record))


async def _records(client: Redis, text: str, i: int) -> None:
    """A refused request, an action, and what stops a subscription."""
    refused = a_rejection(
        code=text_of("code", text),
        source=text_of("source of a request", text),
        peer=text_of("peer", text),
        reason=text_of("why refused", text),
        headers=(text_of("header", text),),
        path=text_of("path", text),
    )
    await client.execute_command("XADD", HOME.rejections, "*", "rejection", encode_rejection(refused))
    filtered = {text: [text_of("filter", text)]}
    names = {"verb": text_of("verb", text), "who": text_of("person", text), "why": text_of("reason", text)}
    await audit.begin(client, Action(**names | {"verb": "forget"}, criteria={"group": [f"gone{i}"]}))
    await audit.begin(client, Action(**names, criteria=filtered))
    opened, held = Opened("f", text_of("breaker", text), 1, 2, 1, text), Held(text, 1, 2**42)
    await client.execute_command("HSET", KEY, field(GROUP, f"a{i}"), encode(opened))
    await client.execute_command("HSET", KEY, field(GROUP, f"{i} {text}"), encode(held))
    await pauses.write(client, [KEYS], GROUP, f"b{i}", text_of("pause", text))


async def fill(client: Redis) -> None:
    """Write all of it; each text of the corpus into each field."""
    await create_groups(client, GROUP)
    await join(client)
    await store_letters(client, *_letters())
    for i, text in enumerate(CORPUS):
        await store(client, text_of("stored webhook-id", text), event_type=text_of("stored type", text))
        await join(client, text_of("stored type", text))
        await park(client, text_of("parked webhook-id", text), error=text_of("parked", text))
        await _processes(client, text, i)
        await _records(client, text, i)
