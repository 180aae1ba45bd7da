"""Errors of a write to a peer that has closed its connection."""

from typing import Final

PEER_GONE: Final = (OSError, RuntimeError)
"""uvloop raises RuntimeError where asyncio's own loop only warns."""
