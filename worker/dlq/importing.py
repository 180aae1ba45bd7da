"""Puts dead letters back from JSON Lines, in batches; a letter that is there already stays as it is.

It ends with the first invalid line, and what stands before that is back: the file can be mended and imported again.
"""

from typing import Final

from ...shared import output
from ...shared.command import FailedError
from ...shared.connection import Redis
from . import jsonl
from .bulk import BATCH, Tally
from .jsonl import LineError
from .moves import Moves, Named
from .query import DeadLetters

BATCH_BYTES: Final = 8 * 1024 * 1024
"""Total size of the bodies in one round trip; bodies dominate the size of letters."""


class Importing:
    """One import. `tally`: letters that are back, and those that were there already."""

    def __init__(self, client: Redis, store: DeadLetters, tally: Tally) -> None:
        self.tally = tally
        self._store = store
        self._moves = Moves(client, store.shards)
        self._batch: list[Named] = []
        self._bytes = 0
        self._number = 0

    def add(self, line: bytes) -> bool:
        """Take the next line; whether it is time to `flush`. Raises LineError, after which the lines before it are
        still to be flushed."""
        self._number += 1
        found = jsonl.numbered(self._number, line)
        if found is not None:
            self._require(found[1].group)
            self._batch.append(found)
            self._bytes += len(found[1].body)
        return len(self._batch) >= BATCH or self._bytes >= BATCH_BYTES

    async def flush(self) -> None:
        """Write what was taken. Raises FailedError, RedisError, OSError."""
        batch, self._batch, self._bytes = self._batch, [], 0
        if batch:
            self.tally.add(await self._moves.restore(batch))

    def _require(self, group: str) -> None:
        try:
            self._store.require(group)
        except FailedError as error:
            raise LineError(self._number, f"{error}; a group is created when its first worker starts") from None


def sentence(tally: Tally) -> str:
    """What an import has come to."""
    return f"{output.things(tally.moved, 'dead letter')} imported, {tally.gone:,} already there"
