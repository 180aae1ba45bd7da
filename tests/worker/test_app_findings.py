"""What is told about apps beside a snapshot of the bus."""

import pytest

from hookbus.worker.api.app import App
from hookbus.worker.app_findings import of_app, of_sources
from hookbus.worker.inspect.group_status import GroupStatus
from hookbus.worker.inspect.status import Status
from hookbus.worker.pipeline.routes import Group, build
from tests.worker.builders import GROUP, TYPE
from tests.worker.inspect.test_bus_metrics import a_bus

NONE: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("patterns", "code"),
    [
        ({}, "new_group"),
        ({"billing": frozenset({TYPE})}, ""),
        ({"billing": frozenset()}, ""),
        ({"billing": frozenset({TYPE, "batch.*"})}, "dropped_subscription"),
    ],
)
def test_an_app_is_compared_with_what_its_group_subscribes_to(patterns, code):
    app = App("billing")

    @app.on(TYPE)
    async def handle(event: dict) -> None: ...

    [group] = build([app], 30.0)
    assert [found.code for found in of_app(group, a_bus(patterns=patterns))] == ([code] if code else [])


def a_group(source: str | None) -> Group:
    app = App(GROUP, source=source)

    @app.on("*")
    async def handle(event: dict) -> None: ...

    [group] = build([app], 30)
    return group


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
    found = list(of_sources(a_group(source), Status(sources=registered), configured))
    assert len(found) == is_found


def test_a_source_that_live_workers_misspell_too_is_told_of_them_alone():
    running = Status({GROUP: GroupStatus(unknown_sources={"opnai": ["*"]})}, sources=["openai"])
    assert list(of_sources(a_group("opnai"), running, NONE)) == []
