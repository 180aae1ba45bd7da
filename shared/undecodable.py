"""What decoding raises: apart from the decoders, since much that reads a record of ours needs none of an event."""

from typing import Final

UNDECODABLE: Final = (ValueError, RecursionError)
"""Errors that a decoder raises for hostile bytes: msgspec's errors and UnicodeDecodeError are ValueErrors."""
