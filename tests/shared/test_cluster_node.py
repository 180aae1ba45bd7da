"""A cluster node or a Sentinel in place of a server: both are detected, and the finding names a remedy."""

import pytest

from hookbus.shared import server
from hookbus.shared.connection import connect
from hookbus.shared.redis_diagnostics import Diagnosis, examine
from hookbus.shared.settings import Common, ConfigError
from hookbus.shared.valkey import Valkey
from tests import servers
from tests.programs import free_port
from tests.wait import until

SLOTS = 16384


def node(folder) -> Valkey:
    port = free_port()
    options = {"cluster-enabled": "yes", "cluster-port": str(free_port()), "bind": "127.0.0.1"}
    return Valkey(folder, server=servers.path(), port=port, **options).start()


@pytest.fixture
def nodes(tmp_path):
    """Two nodes of a cluster, not yet connected and without slots."""
    servers = [node(tmp_path / name) for name in ("one", "two")]
    yield servers
    for each in servers:
        each.close()


def give(valkey: Valkey, first: int, last: int) -> None:
    with valkey.client() as client:
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)


async def until_all_slots_are_served(*nodes: Valkey) -> None:
    def is_whole(valkey: Valkey) -> bool:
        with valkey.client() as client:
            return client.cluster("INFO")["cluster_state"] == "ok"

    await until(lambda: all(map(is_whole, nodes)), what="a cluster whose slots are all served")


def meet(first: Valkey, second: Valkey) -> None:
    with first.client() as client, second.client() as second_client:
        ports = second_client.config_get("*port")
        second_client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", 2)
        client.execute_command("CLUSTER", "MEET", "127.0.0.1", ports["port"], ports["cluster-port"])


async def nothing(execute) -> None:
    """A trial that does nothing."""


async def examined(valkey: Valkey) -> Diagnosis:
    client = connect(valkey.url, "test", connections=1)
    try:
        return await examine(client, Common(redis_url=valkey.url), "memory", nothing)
    finally:
        await client.aclose()


def codes(diagnosis: Diagnosis) -> dict[str, int]:
    return {finding.code: finding.exit_code for finding in diagnosis.findings}


async def test_a_single_cluster_node_with_all_slots_is_a_warning(nodes):
    give(nodes[0], 0, SLOTS - 1)
    await until_all_slots_are_served(nodes[0])
    found = codes(await examined(nodes[0]))
    assert found["cluster_node"] == 0
    assert "queue_unavailable" not in found


async def test_a_cluster_node_without_our_slots_is_refused_with_a_remedy(nodes):
    give(nodes[0], 0, 8191)
    give(nodes[1], 8192, SLOTS - 1)  # hookbus:meta is in 15069, {0} in 13907
    meet(*nodes)
    await until_all_slots_are_served(*nodes)
    diagnosis = await examined(nodes[0])
    assert codes(diagnosis)["queue_unavailable"] == 78
    [problem, *_] = [finding for finding in diagnosis.findings if finding.code == "queue_unavailable"]
    assert "a cluster node" in problem.problem
    assert "Cluster is not supported" in problem.action


@pytest.mark.parametrize("name", ["redis_mode", "server_mode"])
async def test_a_sentinel_is_refused_as_a_sentinel(name):
    async def execute(*command):
        return f"redis_version:7.2.4\r\n{name}:sentinel\r\n".encode()

    with pytest.raises(ConfigError, match="this is a Sentinel"):
        await server.fetch(execute)
