"""A misspelt source is told of live workers, and of the apps that are checked."""

import pytest

from hookbus import App
from hookbus.worker.inspect import status
from hookbus.worker.inspect.group_status import GroupStatus
from hookbus.worker.inspect.status import Status
from hookbus.worker.inspect.unknown_sources import findings
from hookbus.worker.inventory.readers import register_routes
from hookbus.worker.pipeline.routes import Group, build
from tests.worker.builders import GROUP, KEYS
from tests.worker.inventory.test_known_sources import registered

NONE: frozenset[str] = frozenset()


def a_group(source: str | None) -> Group:
    app = App(GROUP, source=source)

    @app.on("*")
    async def handle(event: dict) -> None: ...

    [group] = build([app], 30)
    return group


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
    [finding] = findings(found, [], NONE)
    assert (finding.exit_code, finding.code) == (0, "unknown_source")
    assert "source 'opnai' (*), which is none of ingest's: openai, partner; did you mean openai?" in finding.problem


@pytest.mark.parametrize(
    ("source", "registered", "configured", "is_found"),
    [
        ("opnai", ["openai"], NONE, True),
        ("opnai", [], frozenset({"openai"}), True),
        ("opnai", [], NONE, False),
        ("openai", ["openai"], NONE, False),
        ("openai", ["openai"], frozenset({"other"}), False),
        ("openai", ["other"], frozenset({"openai"}), True),
        (None, ["openai"], NONE, False),
    ],
)
def test_apps_are_checked_against_what_ingest_has_else_against_its_settings(source, registered, configured, is_found):
    found = list(findings(Status(sources=registered), [a_group(source)], configured))
    assert len(found) == is_found


def test_a_source_that_app_and_worker_misspell_is_found_once():
    running = Status({GROUP: GroupStatus(unknown_sources={"opnai": ["*"]})}, sources=["openai"])
    assert len(list(findings(running, [a_group("opnai")], NONE))) == 1
