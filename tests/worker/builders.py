"""Builds the parts of a worker for tests: routes, deliveries, stored events, running subscriptions."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from hookbus.shared import scripts
from hookbus.shared.clock import now_ms
from hookbus.shared.entry import Entry, redelivery_fields
from hookbus.shared.keys import Keys
from hookbus.worker.api.app import App, Start
from hookbus.worker.api.delivery import Delivery, InFlight
from hookbus.worker.duties.membership import Membership
from hookbus.worker.inventory.redeliveries import relist
from hookbus.worker.pipeline import handover
from hookbus.worker.pipeline.group_context import GroupContext
from hookbus.worker.pipeline.in_flight import in_flight_of
from hookbus.worker.pipeline.routes import Route, build
from hookbus.worker.pipeline.unusable_keys import UnusableKeys
from tests.programs import event_body

KEYS = Keys(0)
GROUP = "billing"
TYPE = "response.completed"
STREAM = KEYS.stream(TYPE)
OWN_STREAM = KEYS.redelivery(TYPE, GROUP)


def a_route(handler: Callable[..., Any], pattern: str = TYPE, **options: Any) -> Route:
    """The route of a handler; `options` as for `App.on`."""
    app = App(GROUP)
    app.on(pattern, **options)(handler)
    return build([app], 30.0)[0].routes[0]


def a_delivery(event_type: str = TYPE, **changes: Any) -> Delivery:
    """A delivery as `read` builds it."""
    fields = {
        "webhook_id": "wh_1",
        "source": "openai",
        "type": event_type,
        "group": GROUP,
        "attempt": 1,
        "received_at_ms": now_ms(),
        "body": event_body(event_type),
    }
    return Delivery(**fields | changes)


def an_in_flight(name: str = "wh_1", number: int = 1, **changes: Any) -> InFlight:
    """A delivery in flight with the entry id `number`-0."""
    entry = Entry(name, "openai", now_ms(), event_body())
    delivery = a_delivery(webhook_id=name)
    return InFlight(**{"stream": STREAM, "entry_id": b"%d-0" % number, "is_own_stream": False} | changes,
                entry=entry, delivery=delivery)  # fmt: skip


def a_context(client: Redis, keys: Keys = KEYS, group: str = GROUP, **changes: Any) -> GroupContext:
    """A group in one shard, for the consumer `me`."""
    return GroupContext(
        **{
            "client": client,
            "keys": keys,
            "group": group,
            "consumer": "me",
            "unusable_keys": UnusableKeys(),
            "stopping": asyncio.Event(),
        }
        | changes
    )


def a_membership(
    client: Redis,
    keys: Keys = KEYS,
    group: str = GROUP,
    start: Start = "earliest",
    patterns: Iterable[str] = (),
    **changes: Any,
) -> Membership:
    """The membership of a group; `changes` as for `a_context`."""
    return Membership(a_context(client, keys, group, **changes), start, patterns)


async def join(client: Redis, *types: str, group: str = GROUP, **changes: Any) -> Membership:
    """Create the group on the streams of some types."""
    membership = a_membership(client, group=group, **changes)
    await membership.join(types or [TYPE])
    return membership


async def store(client: Redis, *names: str, event_type: str = TYPE, entry_id: str = "*", **data: Any) -> list[bytes]:
    """Store events as ingest does. Returns their entry ids."""
    await client.execute_command("SADD", KEYS.types, event_type)
    return [
        await client.execute_command(
            "XADD",
            KEYS.stream(event_type),
            entry_id,
            "id",
            name,
            "src",
            "openai",
            "at",
            now_ms(),
            "body",
            event_body(event_type, **data),
        )
        for name in names
    ]


async def redeliver(client: Redis, *names: str, attempt: int = 2, is_replay: bool = False) -> list[bytes]:
    """Add entries to the group's redelivery stream."""
    entries = [Entry(name, "openai", now_ms(), event_body(), is_replay=is_replay) for name in names]
    ids = [
        await client.execute_command("XADD", OWN_STREAM, "*", *redelivery_fields(entry, attempt, ()))
        for entry in entries
    ]
    assert await scripts.run(client, relist(KEYS, GROUP, TYPE)) in (b"created", b"there")
    return ids


async def take(
    client: Redis, consumer: str, count: int = 100, *, own: bool = False, group: str = GROUP
) -> list[InFlight]:
    """Read as a consumer, from the event stream or the group's redelivery stream."""
    stream = OWN_STREAM if own else STREAM
    reply = await client.execute_command("XREADGROUP", "GROUP", group, consumer, "COUNT", count, "STREAMS", stream, ">")
    entries = reply[0][1] if reply else []
    return [in_flight_of(stream, TYPE, own, group, entry_id, fields) for entry_id, fields in entries]


async def pending(client: Redis, *, own: bool = False, consumer: str = "", group: str = GROUP) -> dict[bytes, tuple]:
    """Entry id → (consumer, times delivered)."""
    stream = OWN_STREAM if own else STREAM
    owner_filter = (consumer,) if consumer else ()
    try:
        entries = await client.execute_command("XPENDING", stream, group, "-", "+", 10_000, *owner_filter)
    except ResponseError:  # a redelivery stream exists only while it holds something
        if own and not await client.execute_command("EXISTS", stream):
            return {}
        raise
    return {entry_id: (owner.decode(), times) for entry_id, owner, _, times in entries}


async def settled(client: Redis) -> bool:
    """Whether nothing is pending."""
    return not await pending(client) and not await pending(client, own=True)


async def register(
    client: Redis, consumer: str, *, alive: bool = True, left_s: float | None = None, info: str = "{}"
) -> None:
    """Register a consumer in the group, alive (with `left_s` until its liveness key expires) or not."""
    await client.execute_command("HSET", KEYS.consumers(GROUP), consumer, info)
    if alive:
        await client.execute_command("SET", KEYS.alive(consumer), 1, *(("PX", round(left_s * 1000)) if left_s else ()))
    left_ms = round((left_s or 10) * 1000) if alive else 0
    await client.execute_command("ZADD", KEYS.expiries, now_ms() + left_ms, consumer)


async def commandstats(client: Redis) -> dict[str, int]:
    """Command → how often it was called since the test began."""
    lines = (await client.execute_command("INFO", "commandstats")).decode().split()
    stats = (line.partition(":") for line in lines if line.startswith("cmdstat_"))
    return {
        name.removeprefix("cmdstat_"): int(values.split(",")[0].removeprefix("calls=")) for name, _, values in stats
    }


async def consumers(client) -> set[bytes]:
    return set(await client.execute_command("HKEYS", KEYS.consumers(GROUP)))


async def release(client, consumer: str, count: int = 100) -> int:
    return await scripts.run(client, handover.release(STREAM, GROUP, consumer, count))


class Handler:
    """A handler that waits for `go`, and then takes `pause_s`."""

    def __init__(self, *, is_open: bool = False, pause_s: float = 0.0) -> None:
        self.began: list[str] = []
        self.done: list[str] = []
        self.max_running = 0
        self._go = asyncio.Event()
        self._pause_s = pause_s
        if is_open:
            self._go.set()

    async def __call__(self, event: dict, delivery: Delivery) -> None:
        self.began.append(delivery.webhook_id)
        self.max_running = max(self.max_running, len(self.began) - len(self.done))
        await self._go.wait()
        await asyncio.sleep(self._pause_s)
        self.done.append(delivery.webhook_id)

    def go(self) -> None:
        self._go.set()

    def route(self, pattern: str = TYPE, **options):
        async def handle(event: dict, delivery: Delivery) -> None:
            await self(event, delivery)

        return a_route(handle, pattern, **options)
