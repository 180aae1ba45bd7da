"""What is told about groups, their readers, types and apps, given a snapshot."""

import pytest

from hookbus.worker import bus_findings
from hookbus.worker.api.app import App
from hookbus.worker.bus_findings import of_app, of_group, of_orphans
from hookbus.worker.inspect.group_status import GroupStatus, TypeStatus
from hookbus.worker.inspect.status import Status
from hookbus.worker.inventory.pauses import Paused
from hookbus.worker.inventory.suspensions import Held, Opened
from hookbus.worker.pipeline.routes import build
from tests.worker.builders import TYPE
from tests.worker.inspect.test_bus_metrics import a_bus

WAITING = {TYPE: TypeStatus(backlog=5)}


@pytest.mark.parametrize(
    ("group", "code"),
    [
        (GroupStatus(consumers=1, consumers_alive=1, types=WAITING), ""),
        (GroupStatus(), ""),
        (GroupStatus(types=WAITING), "no_worker"),
        (GroupStatus(types=WAITING, abandoned_s=400.0), "group_abandoned"),
        (GroupStatus(consumers=3, consumers_alive=1), "dead_consumers"),
        (GroupStatus(consumers=1, consumers_alive=1, missing=2), "group_missing"),
        (GroupStatus(breakers={TYPE: Opened("f", "e", 1, 2)}), "breaker_open"),
        (GroupStatus(held={TYPE: Held("Hold: for 5 s", 1, 2)}), "held"),
        (GroupStatus(paused={"*": Paused(1, "no credit")}), "paused"),
        (GroupStatus(dead=1), "dead_letters"),
        (GroupStatus(waiting_suspects={TYPE: 2}), "waiting_suspects"),
        (GroupStatus(losses=1), "data_loss"),
    ],
    ids=str,
)
def test_a_group_with_a_problem_has_one_finding_of_its_code(group, code):
    assert [found.code for found in of_group("billing", group)] == ([code] if code else [])
    assert all(found.exit_code == 0 for found in of_group("billing", group))


def test_orphans_are_reported_by_type():
    found = of_orphans(a_bus(status=Status(orphans={"odd.type": 3, "batch.failed": 1})))
    problems = [each.problem.partition(",")[0] for each in found]
    assert problems == ["3 events of type odd.type", "1 event of type batch.failed"]


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


def test_types_without_a_reader_differing_consumers_and_foreign_groups_are_reported():
    group = GroupStatus(consumers_alive=2, consumers=2, unread={"batch.failed": 3}, disputed=["batch.*"])
    found = [(each.code, each.problem) for each in bus_findings.of_readers("billing", group)]
    assert found == [
        ("unread_type", "no live consumer of billing reads batch.failed: 3 events wait, and hold up trimming"),
        ("consumers_disagree", "only some consumers of billing subscribe to batch.*"),
    ]
    [nobody] = bus_findings.of_readers("billing", GroupStatus(unsubscribed={"batch.failed": 3}))
    assert (nobody.code, nobody.problem) == (
        "waits_for_nobody",
        "3 events of batch.failed wait in billing, which does not subscribe to it",
    )
    [foreign] = bus_findings.of_readers("audit", GroupStatus(is_foreign=True))
    assert foreign.code == "foreign_group"
