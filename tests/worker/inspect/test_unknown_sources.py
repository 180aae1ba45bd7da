"""A misspelt source of live workers is told."""

from hookbus.worker.inspect import status, troubles
from hookbus.worker.inspect.trouble import Kind
from hookbus.worker.inventory.readers import register_routes
from tests.worker.builders import GROUP, KEYS
from tests.worker.inventory.test_known_sources import registered
from tests.worker.test_app_findings import a_group


async def test_status_names_the_unknown_sources_of_live_consumers(client):
    await client.execute_command("HSET", KEYS.groups, GROUP, "0-0")
    for name, source in (("misspelt", "opnai"), ("dead", "gone"), ("right", "openai"), ("wide", None)):
        info = register_routes(1, a_group(source).routes, "", has_quarantine=False)
        await client.execute_command("HSET", KEYS.consumers(GROUP), name, info)
        if name != "dead":
            await client.execute_command("SET", KEYS.alive(name), 1)
    assert (await status.fetch(client, 1)).groups[GROUP].unknown_sources == {}
    await registered(client, i1=("openai", "partner"))
    found = await status.fetch(client, 1)
    assert found.sources == ["openai", "partner"]
    assert found.groups[GROUP].unknown_sources == {"opnai": ["*"]}
    [told] = [each for each in troubles.of_status(found, 0) if each.kind is Kind.UNKNOWN_SOURCE]
    assert "source 'opnai' (*), which is none of ingest's: openai, partner; did you mean openai?" in told.sentence
