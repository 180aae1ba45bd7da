"""A worker says at its start that nobody will send what it waits for."""

import pytest
from structlog.testing import capture_logs

from hookbus import App
from hookbus.shared.connection import connect
from hookbus.worker import source_names
from hookbus.worker.pipeline.routes import Group, build
from hookbus.worker.quarantine.launch import Launch
from tests.programs import free_port
from tests.worker.inventory.test_known_sources import registered
from tests.worker.running import running


def a_group(source: str | None = None, of_handler: str | None = None) -> Group:
    app = App("billing", source=source)

    @app.on("*", source=of_handler)
    async def handle(event: dict) -> None: ...

    [group] = build([app], 30)
    return group


async def warned(client, group: Group, launch: Launch | None = None) -> list[str]:
    with capture_logs() as logs:
        await source_names.warn(client, [group], launch)
    assert {entry["event"] for entry in logs} <= {"unknown_source"}
    return [entry["problem"] for entry in logs]


@pytest.mark.parametrize("narrowed", [{"source": "opnai"}, {"of_handler": "opnai"}])
async def test_a_source_that_ingest_does_not_have_is_a_warning(client, narrowed):
    await registered(client, i1=("openai",))
    [problem] = await warned(client, a_group(**narrowed))
    assert "takes events of source 'opnai' (*)" in problem
    assert await warned(client, a_group("openai")) == []


async def test_before_an_ingest_has_registered_the_configuration_counts(client, tmp_path):
    file = tmp_path / "hookbus.toml"
    file.write_text("[ingest.sources.openai]\npath = '/in'\nsecrets = 'file:/unreadable'\n")
    assert len(await warned(client, a_group("opnai"), Launch.now([], config=file))) == 1
    assert await warned(client, a_group("openai"), Launch.now([], config=file)) == []
    assert await warned(client, a_group("opnai")) == []


async def test_redis_is_asked_only_if_a_subscription_names_its_sources():
    unreachable = connect(f"redis://127.0.0.1:{free_port()}/0", "tests")
    assert await warned(unreachable, a_group("opnai")) == []
    assert await warned(None, a_group()) == []
    await unreachable.aclose()


async def test_a_worker_that_starts_warns_once(client, redis_url):
    await registered(client, i1=("openai",))
    app = App("billing", source="opnai")
    app.on("*")(lambda event: None)
    with capture_logs() as logs:
        async with running(redis_url, app):
            pass
    [warning] = [entry for entry in logs if entry["event"] == "unknown_source"]
    assert (warning["log_level"], warning["group"]) == ("warning", "billing")
