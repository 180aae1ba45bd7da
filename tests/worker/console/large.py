"""A bus of fifty groups and forty types: the largest that the console is made for."""

from redis.asyncio import Redis

from hookbus.shared import scripts
from hookbus.shared.events import BY_TYPE
from hookbus.shared.pipelined import execute_all
from hookbus.worker.inventory import registry, statistics
from hookbus.worker.inventory.statistics import Figures
from tests.worker.builders import KEYS
from tests.worker.dead_letters import create_groups, letter, start_workers, store_letters
from tests.worker.parked import park

GROUPS = [f"group{number:02}" for number in range(50)]
TYPES = sorted(BY_TYPE)[:20] + [f"family{number % 4}.event{number:02}" for number in range(20)]
WORKERS = 4
EVENTS = 3
CAUSES = 4


async def fill(client: Redis) -> None:
    """Every group subscribes to every type, with backlog, deliveries in flight, and dead letters."""
    await create_groups(client, *GROUPS)
    await start_workers(client, *GROUPS)
    await execute_all(client, _subscriptions())
    await execute_all(client, _events())
    letters = [
        letter(f"wh_{group}_{cause}", group=group, error_class=f"Error{cause}", type=TYPES[cause])
        for group in GROUPS
        for cause in range(CAUSES)
    ]
    await store_letters(client, *letters)
    now_ms = await registry.now_ms(client)
    done = dict.fromkeys(GROUPS, Figures(handled=50, parked=5, latencies=(10, 20, 20, 5, 0, 0, 0, 0)))
    await scripts.run_all(client, [statistics.add(done, now_ms - ago * 60_000) for ago in range(60)])
    for kind in TYPES:
        await park(client, "wh_later", group=GROUPS[0], event_type=kind, due_ms=now_ms + 600_000)


def _subscriptions():
    yield "SADD", KEYS.types, *TYPES
    for group in GROUPS:
        yield "HSET", KEYS.patterns, group, " ".join(TYPES)
        for number in range(2, WORKERS + 1):
            yield "HSET", KEYS.consumers(group), f"{group}.{number}", "{}"
            yield "SET", KEYS.alive(f"{group}.{number}"), 1, "PX", 600_000


def _events():
    for kind in TYPES:
        stream = KEYS.stream(kind)
        for group in GROUPS:
            yield "XGROUP", "CREATE", stream, group, "0", "MKSTREAM"
        for number in range(EVENTS):
            yield "XADD", stream, "*", "id", f"wh_{number}", "body", "{}"
        for group in GROUPS:
            yield "XREADGROUP", "GROUP", group, f"{group}.1", "COUNT", 1, "STREAMS", stream, ">"
