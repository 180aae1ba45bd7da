"""Moves dead letters: redrive, discard, and restore from a file.

Each move is one script call that checks that the letter is still the one that was read: two concurrent tools move it
once, and a tool that dies half-way leaves each letter in exactly one place. Bulk moves (see `bulk`) work on a
snapshot: deliveries that are dead-lettered again meanwhile stay in the dead-letter queue.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from ...shared import scripts
from ...shared.connection import Redis
from ...shared.entry import redelivery_fields
from ...shared.keys import Keys, shard_of
from ..pipeline import dead_letter
from ..pipeline.dead_letter import DeadLetterRecord
from .query import StoredLetter

Named = tuple[str, DeadLetterRecord]
"""Name and letter."""


class Moves:
    """Every move returns 1 for each moved letter, 0 for each that was gone or already existed, and the exception in
    place of a refused one. Raises ConnectionError or TimeoutError when replies were lost: each letter may or may not
    have been moved."""

    def __init__(self, client: Redis, shards: Sequence[Keys]) -> None:
        self._client = client
        self._shards = shards

    async def redrive(self, letters: Sequence[StoredLetter]) -> list[Any]:
        """Send letters back to their group; attempts count from 1."""
        return await scripts.run_all(self._client, [remove_letter(dead, is_redrive=True) for dead in letters])

    async def discard(self, letters: Sequence[StoredLetter]) -> list[Any]:
        """Delete letters for good."""
        return await scripts.run_all(self._client, [remove_letter(dead, is_redrive=False) for dead in letters])

    async def restore(self, letters: Iterable[Named]) -> list[Any]:
        """Put letters back into the dead-letter queue under their names."""
        calls = []
        for name, record in letters:
            keys = self._shards[shard_of(record.webhook_id, len(self._shards))]
            calls.append(restore(keys, name, record))
        return await scripts.run_all(self._client, calls)


def remove_letter(dead: StoredLetter, *, is_redrive: bool) -> scripts.Call:
    """The call that removes a letter from the dead-letter queue if it is still the one that was read."""
    keys, group, record = dead.keys, dead.group, dead.letter
    names = index(keys, group, record.fingerprint)
    args: tuple[scripts.Argument, ...] = (dead.name, dead.dead_lettered_ms, record.fingerprint, group)
    if is_redrive:
        names += (keys.types, keys.redelivery(record.type, group), keys.redeliveries)
        args += (record.type, *redelivery_fields(record.entry(), 1, record.history))
    else:
        names += (keys.discarded,)
    return scripts.Call(scripts.REMOVE_LETTER, names, args)


def restore(keys: Keys, name: str, record: DeadLetterRecord) -> scripts.Call:
    """The call that puts a letter back under its name, unless one exists there."""
    return scripts.Call(
        scripts.RESTORE,
        index(keys, record.group, record.fingerprint),
        (
            name,
            record.dead_lettered_at_ms,
            dead_letter.encode(record),
            record.fingerprint,
            dead_letter.encode(record.kind),
        ),
    )


def index(keys: Keys, group: str, fingerprint: str) -> tuple[str, ...]:
    """The keys that hold a letter, in the order in which every script that moves one takes them first."""
    return (
        keys.dead(group),
        keys.dead_data(group),
        keys.dead_fingerprint(group, fingerprint),
        keys.dead_fingerprints(group),
    )
