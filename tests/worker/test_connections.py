import resource

import pytest
from structlog.testing import capture_logs

from hookbus.shared import descriptors
from hookbus.worker import connections
from hookbus.worker.api.app import App
from hookbus.worker.connections import findings, make_room, of_process
from hookbus.worker.pipeline.routes import Group, build


def groups(number: int, subscriptions: int = 1) -> list[Group]:
    apps = [App(f"group{i}") for i in range(number)]
    for app in apps:
        for i in range(subscriptions):

            @app.on(f"order.{i}")
            async def handle(event: dict) -> None: ...

    return build(apps, 30.0)


def test_a_process_takes_a_connection_for_each_group_and_shard_and_some_that_its_duties_share():
    assert 200 < of_process(groups(50, 10), 4) <= 250


@pytest.fixture
def limits(monkeypatch):
    """The soft and hard limit of open files, in a list that the test can change."""
    found = [256, 4096]
    monkeypatch.setattr(resource, "getrlimit", lambda _: tuple(found))
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: found.__setitem__(slice(None), pair))
    return found


def test_a_worker_raises_the_soft_limit_of_open_files_as_it_needs(limits):
    with capture_logs() as logs:
        make_room(groups(100), 4)
    assert limits == [of_process(groups(100), 4) + descriptors.RESERVED, 4096]
    assert logs == []


def test_a_hard_limit_that_is_too_low_is_reported_by_worker_and_check(limits):
    limits[:] = [256, 1024]
    with capture_logs() as logs:
        make_room(groups(300), 4)
    assert [log["event"] for log in logs] == ["few_descriptors"]
    assert limits[0] == 1024
    assert [each.code for each in findings(groups(300), 4, 1, {})] == ["few_descriptors"]


@pytest.mark.parametrize(
    ("processes", "maxclients", "expected"), [(5, "10000", False), (50, "10000", True), (50, "", False)]
)
def test_the_connections_of_all_processes_are_compared_with_maxclients(processes, maxclients, expected):
    clients = {"maxclients": maxclients} if maxclients else {}
    codes = [each.code for each in connections.findings(groups(100), 4, processes, clients)]
    assert codes == (["few_connections"] if expected else [])
