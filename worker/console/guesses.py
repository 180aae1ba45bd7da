"""Slows down whoever guesses tokens: ten wrong ones a minute from one address, then none is looked at. Pure.

A token has no fewer than 20 characters, so that this is not what protects it: it keeps guesses out of the log and
bounds what they cost.
"""

import ipaddress
from typing import Final

from .proxies import parsed

MOST: Final = 10
WINDOW_S: Final = 60.0
ADDRESSES: Final = 1000
"""Remembered; beyond that the one that guessed longest ago is forgotten. An address takes some 500 bytes."""
SUBSCRIBER: Final = 64
"""Leading bits of an IPv6 address that one subscriber holds: they choose the others."""


class Guesses:
    """The wrong tokens of the last minute. Times in seconds, of any clock that never goes back."""

    def __init__(self) -> None:
        self._at_s: dict[str, list[float]] = {}

    def wait_s(self, address: str, now_s: float) -> float:
        """For how long no token from there is looked at; 0 if the next one is."""
        recent = [at_s for at_s in self._at_s.get(_whose(address), ()) if at_s > now_s - WINDOW_S]
        return recent[-MOST] + WINDOW_S - now_s if len(recent) >= MOST else 0.0

    def add(self, address: str, now_s: float) -> None:
        """A token from there was wrong."""
        whose = _whose(address)
        guesses = [*self._at_s.pop(whose, ()), now_s][-MOST:]
        self._at_s[whose] = guesses
        if len(self._at_s) > ADDRESSES:
            del self._at_s[next(iter(self._at_s))]


def _whose(address: str) -> str:
    ip = parsed(address)
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((ip, SUBSCRIBER), strict=False))
    return str(ip or address)
