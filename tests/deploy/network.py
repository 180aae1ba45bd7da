"""Connections that NetworkPolicies allow: as many of their rules as ours use (https://kubernetes.io/docs/concepts/services-networking/network-policies/).

A pod that no policy of a direction selects is open in that direction; else any of those policies can allow it.
"""

import ipaddress
from dataclasses import dataclass, field
from typing import Any

from tests.deploy.manifests import Object, selects

NAMESPACE = "hookbus"


@dataclass(frozen=True)
class Peer:
    """A pod, or an address outside the cluster."""

    labels: dict[str, str] = field(default_factory=dict)
    namespace: str = NAMESPACE
    address: str = ""
    ports: dict[str, int] = field(default_factory=dict)


def may(policies: list[Object], source: Peer, target: Peer, port: int, protocol: str = "TCP") -> bool:
    """Whether a connection from one to the other is allowed."""
    leaves = source.address or _passes(policies, "Egress", source, target, target, port, protocol)
    enters = target.address or _passes(policies, "Ingress", target, source, target, port, protocol)
    return bool(leaves and enters)


def _passes(
    policies: list[Object], direction: str, own: Peer, other: Peer, target: Peer, port: int, protocol: str
) -> bool:
    if own.namespace != NAMESPACE:
        return True
    specs = [policy["spec"] for policy in policies]
    selecting = [s for s in specs if direction in s["policyTypes"] and selects(s["podSelector"], own.labels)]
    rules = [rule for spec in selecting for rule in spec.get(direction.lower(), ())]
    side = "to" if direction == "Egress" else "from"
    return not selecting or any(
        any(_is_peer(peer, other) for peer in rule[side])
        and any(_is_port(each, target, port, protocol) for each in rule["ports"])
        for rule in rules
    )


def _is_port(rule: dict[str, Any], target: Peer, port: int, protocol: str) -> bool:
    number = target.ports.get(rule["port"]) if isinstance(rule["port"], str) else rule["port"]
    return rule["protocol"] == protocol and number == port


def _is_peer(rule: dict[str, Any], peer: Peer) -> bool:
    if "ipBlock" in rule:
        return bool(peer.address) and _is_inside(rule["ipBlock"], peer.address)
    if peer.address:
        return False
    spaces = {"kubernetes.io/metadata.name": peer.namespace}
    in_space = selects(rule["namespaceSelector"], spaces) if "namespaceSelector" in rule else not_elsewhere(peer)
    return in_space and selects(rule.get("podSelector", {}), peer.labels)


def not_elsewhere(peer: Peer) -> bool:
    """Without a namespaceSelector a rule covers only pods of the policy's own namespace."""
    return peer.namespace == NAMESPACE


def _is_inside(block: dict[str, Any], address: str) -> bool:
    at = ipaddress.ip_address(address)
    return at in ipaddress.ip_network(block["cidr"]) and not any(
        at in ipaddress.ip_network(hole) for hole in block.get("except", ())
    )
