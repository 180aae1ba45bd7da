"""Connections that the NetworkPolicies of deploy/kubernetes allow and refuse."""

import pytest

from tests.deploy import manifests
from tests.deploy.manifests import OVERLAYS, component, of_kind, rendered
from tests.deploy.network import Peer, may

OUTSIDE = {"openai": "162.159.140.245", "openai6": "2606:4700::1", "cluster": "10.96.0.1", "cloud": "169.254.169.254"}


def peer(overlay: str, name: str) -> Peer:
    """A pod of an overlay by its component, or another peer by its name."""
    if name in OUTSIDE:
        return Peer(address=OUTSIDE[name])
    if name == "redis":
        return redis(overlay)
    if name == "dns":
        return Peer({"k8s-app": "kube-dns"}, "kube-system")
    for workload in manifests.programs(rendered(overlay)):
        if component(workload) == name:
            ports = {port["name"]: port["containerPort"] for port in manifests.container(workload)["ports"]}
            return Peer(dict(manifests.pod_labels(workload)), ports=ports)
    return Peer({"app": name}, name)


def redis(overlay: str) -> Peer:
    """The Redis of an overlay: one of its pods, or an address outside the cluster."""
    found = of_kind(rendered(overlay), "StatefulSet")
    if not found:
        return Peer(address="10.1.2.3")
    return Peer(dict(manifests.pod_labels(found[0])), ports={"redis": 6379})


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize(
    ("source", "target", "port", "expected"),
    [
        ("ingress-nginx", "ingest", 8080, True),
        ("ingress-nginx", "ingest", 9464, False),
        ("ingress-nginx", "worker", 9465, False),
        ("another-team", "ingest", 8080, False),
        ("openai", "ingest", 8080, False),
        ("monitoring", "ingest", 9464, True),
        ("monitoring", "worker", 9465, True),
        ("monitoring", "exporter", 9466, True),
        ("monitoring", "ingest", 8080, False),
        ("another-team", "worker", 9465, False),
        ("ingress-nginx", "console", 9467, True),
        ("monitoring", "console", 9467, True),
        ("another-team", "console", 9467, False),
        ("worker", "console", 9467, False),
        ("openai", "console", 9467, False),
        ("console", "redis", 6379, True),
        ("console", "dns", 53, True),
        ("console", "ingest", 8080, False),
        ("console", "openai", 443, False),
        ("ingest", "redis", 6379, True),
        ("worker", "redis", 6379, True),
        ("exporter", "redis", 6379, True),
        ("ingest", "worker", 9465, False),
        ("worker", "openai", 443, True),
        ("worker", "openai6", 443, True),
        ("worker", "openai", 80, False),
        ("worker", "cluster", 443, False),
        ("worker", "cloud", 443, False),
        ("worker", "another-team", 443, False),
        ("ingest", "openai", 443, False),
        ("exporter", "openai", 443, False),
        ("worker", "dns", 53, True),
        ("ingest", "dns", 53, True),
        ("ingest", "dns", 443, False),
    ],
)
def test_only_the_allowed_connections_pass(overlay, source, target, port, expected):
    policies = of_kind(rendered(overlay), "NetworkPolicy")
    assert may(policies, peer(overlay, source), peer(overlay, target), port) is expected


def test_only_the_programs_reach_the_valkey_of_the_dev_overlay_and_it_connects_to_nothing():
    policies = of_kind(rendered("dev"), "NetworkPolicy")
    assert not may(policies, Peer({"app": "other"}, "another-team"), redis("dev"), 6379)
    assert not may(policies, Peer({"app": "other"}), redis("dev"), 6379), "not even in this namespace"
    for name in ("openai", "ingest", "another-team"):
        assert not may(policies, redis("dev"), peer("dev", name), 443)
    assert may(policies, peer("dev", "worker"), peer("dev", "dns"), 53, "UDP")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_pod_without_a_policy_of_its_own_can_neither_connect_nor_be_reached(overlay):
    policies, new = of_kind(rendered(overlay), "NetworkPolicy"), Peer({"app": "new"})
    assert not may(policies, Peer({"app": "other"}, "another-team"), new, 8080)
    assert not may(policies, peer(overlay, "ingest"), new, 8080)
    assert not may(policies, new, peer(overlay, "openai"), 443)
    assert may(policies, new, peer(overlay, "dns"), 53), "DNS stays allowed"
