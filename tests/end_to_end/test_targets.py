"""A target may be a factory, here and in quarantine, and its handlers any callable."""

from hookbus.shared.keys import Keys
from tests.programs import Worker
from tests.wait import until
from tests.worker.builders import store

KEYS = Keys(0)
GROUP = "made"
KINDS = {"response.completed": "object", "response.failed": "method", "response.cancelled": "partial"}


async def test_an_app_of_a_factory_handles_events_and_its_suspects_in_quarantine(redis_url, handled, client):
    for event_type in KINDS:
        await store(client, f"wh_{event_type}", event_type=event_type)
    stream = KEYS.stream("response.completed")
    await store(client, "wh_suspect")
    await client.execute_command("HSET", KEYS.groups, GROUP, "0")
    await client.execute_command("XGROUP", "CREATE", stream, GROUP, "0")
    await client.execute_command("HSET", KEYS.consumers(GROUP), "dead", "{}")
    reply = await client.execute_command("XREADGROUP", "GROUP", GROUP, "dead", "STREAMS", stream, ">")
    suspect = reply[0][1][1][0]
    await client.execute_command("XCLAIM", stream, GROUP, "dead", 0, suspect, "RETRYCOUNT", 2)
    with Worker(redis_url, "tests.end_to_end.callables:make()") as worker:
        for event_type, kind in KINDS.items():
            await until(lambda event_type=event_type, kind=kind: f"wh_{event_type}" in handled(GROUP, kind))
        await until(lambda: "wh_suspect" in handled(GROUP, "object"))
        assert int(await client.execute_command("GET", "test:pid:wh_response.failed")) == worker.process.pid
        assert int(await client.execute_command("GET", "test:pid:wh_suspect")) != worker.process.pid
        assert await worker.end() == 0
