"""What an ingest process publishes about itself, for the tools: who is there, of which release, with which settings."""

from collections.abc import Mapping
from typing import Final

import msgspec

from .undecodable import UNDECODABLE

INTERVAL_S: Final = 10.0
"""Between two writes of a record."""
SILENT_S: Final = 30.0
"""A process that has written nothing for so long is gone, or Redis has refused it three times."""
KEPT_S: Final = 3600.0
"""How long the record of a process stays that ended without removing it."""


class IngestRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One process. Times in Unix ms by Redis' clock."""

    at_ms: int
    since_ms: int
    version: str = ""
    listen: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    durability: str = ""
    settings: str = ""
    """A digest of the settings that all processes should share; never of secrets."""
    reason: str = ""
    """Why it is not ready; "" if it is."""
    answers: dict[str, int] = {}
    """Code of an answer → how many since its start; those without any are left out."""

    def is_silent(self, now_ms: int) -> bool:
        """Whether it has written nothing for too long."""
        return now_ms - self.at_ms > SILENT_S * 1000


UNKNOWN: Final = IngestRecord(0, 0)
"""What another release, or somebody else, wrote."""

encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(IngestRecord).decode


def read(fields: Mapping[str, bytes]) -> dict[str, IngestRecord]:
    """Process → its record, from the content of the hash."""
    return {name: _read(stored) for name, stored in fields.items()}


def _read(stored: bytes) -> IngestRecord:
    try:
        return _decode(stored)
    except UNDECODABLE:
        return UNKNOWN
