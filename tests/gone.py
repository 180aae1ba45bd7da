"""Peers that leave while somebody writes to them."""

from typing import Final

PEER_GONE: Final = (OSError, RuntimeError)
"""What writing to them raises: asyncio's own loop only warns where uvloop raises RuntimeError."""
