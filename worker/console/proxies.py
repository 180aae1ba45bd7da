"""The proxies whose word about a request counts: who sent it, from which address, and whether over https. Pure.

Anybody can send such headers, so they count from addresses of the list alone; from all others they are dropped.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from multidict import CIMultiDictProxy

FOR: Final = "X-Forwarded-For"
PROTO: Final = "X-Forwarded-Proto"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Headers = CIMultiDictProxy[str]


@dataclass(frozen=True, slots=True)
class Proxies:
    """`networks`: the addresses of the trusted proxies."""

    networks: tuple[Network, ...]

    def has(self, peer: str | None) -> bool:
        """Whether the address of a connection is that of a trusted proxy."""
        address = parsed(peer or "")
        return address is not None and self._has(address)

    def sender(self, peer: str | None, headers: Headers) -> str:
        """The address of whoever asked: the last one that no trusted proxy of ours has, "" if there is none. What
        stands left of that in the header may be made up."""
        if not self.has(peer):
            return peer or ""
        for text in reversed(",".join(headers.getall(FOR, ())).split(",")):
            address = parsed(text.strip())
            if address is None or not self._has(address):
                return str(address) if address else peer or ""
        return peer or ""

    def is_https(self, peer: str | None, headers: Headers) -> bool:
        """Whether a trusted proxy got the request over https. The console itself speaks http."""
        return self.has(peer) and headers.getall(PROTO, ()) == ["https"]

    def _has(self, address: Address) -> bool:
        return any(address in network for network in self.networks)


def parse(texts: Iterable[str]) -> Proxies:
    """From addresses and networks, such as `10.0.0.7` and `10.1.0.0/16`. Raises ValueError."""
    networks = tuple(ipaddress.ip_network(text) for text in texts)
    if any(network.prefixlen == 0 for network in networks):
        raise ValueError("a network of all addresses trusts everybody: name those of the proxy")
    return Proxies(networks)


def parsed(text: str) -> Address | None:
    """An address in one spelling, None for what is none. A socket for both families shows IPv4 as part of IPv6."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None) or address
