from hookbus.shared import entry, scripts
from hookbus.shared.entry import Entry, Failure
from hookbus.shared.keys import Keys
from hookbus.worker.dlq import unsubscribed
from hookbus.worker.inventory.redeliveries import relist
from tests.worker.dead_letters import create_groups

KEYS = Keys(0)
GONE = "eval.run.failed"
STREAM = KEYS.redelivery(GONE, "billing")
RECALLED_MS = 1_800_000_000_000
FAILURE = Failure(2, 1_700_000_000_000, 5, "host.1.abcd", "ValueError: no such customer")


async def subscribe(client, group: str = "billing", patterns: str = "response.*") -> None:
    await create_groups(client, group)
    await client.execute_command("HSET", KEYS.patterns, group, patterns)


async def redeliver(client, name: str = "wh_1", event_type: str = GONE, group: str = "billing") -> bytes:
    await client.execute_command("SADD", KEYS.types, event_type)
    found = Entry(name, "openai", 1_699_999_999_000, b"\x00\xff{}", "00-trace", is_replay=True)
    fields = entry.redelivery_fields(found, 3, (FAILURE,))
    entry_id = await client.execute_command("XADD", KEYS.redelivery(event_type, group), "*", *fields)
    await scripts.run(client, relist(KEYS, group, event_type))
    return entry_id


async def test_only_types_that_the_patterns_of_a_group_exclude_are_unsubscribed(client):
    await subscribe(client)
    await subscribe(client, "audit", "*")
    await create_groups(client, "silent")
    for group in ("billing", "audit", "silent"):
        for event_type in (GONE, "response.completed", "made.up"):
            await redeliver(client, event_type=event_type, group=group)
    await redeliver(client)
    found = [(item.group, item.type, item.waiting) for item in await unsubscribed.fetch(client, [KEYS])]
    assert found == [("billing", GONE, 2), ("billing", "made.up", 1)]
