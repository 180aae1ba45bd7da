"""Which discards may have taken the dead letter of an event: those whose filter names its id, from the audit.

Read only where a group has discarded any. Each discard is recorded before it begins, so none is missing, but that the
audit keeps the last actions alone; those by another filter are counted in Redis, and not told apart here.
"""

from collections.abc import Collection, Mapping
from typing import Final

from redis.exceptions import ResponseError

from ...shared.connection import Redis
from .. import audit
from ..audit import Entry
from ..pipeline.unusable_keys import is_of_one_key
from .life import Discard, Subject

VERB: Final = "dlq discard"
PAGE: Final = 1000
"""Actions in one reply: half a megabyte."""


async def fetch(client: Redis, subject: Subject, groups: Collection[str]) -> Mapping[str, tuple[Discard, ...]]:
    """Group → the discards that name the event, newest first. `groups`: those that have discarded any dead letter.
    Raises RedisError, OSError."""
    found: dict[str, tuple[Discard, ...]] = {}
    if not groups:
        return found
    for entry in await _discards(client, subject.stored_between[0]):
        for group, discard in _of(entry, subject.webhook_id, groups).items():
            found[group] = (*found.get(group, ()), discard)
    return found


async def _discards(client: Redis, since_ms: int) -> list[Entry]:
    """The discards that ended since, or have not ended. None where the audit is unusable: their number is known."""
    found: list[Entry] = []
    before = ""
    for _ in range(0, audit.KEPT, PAGE):
        try:
            page = await audit.fetch(client, PAGE, max(0, since_ms), before)
        except ResponseError as error:
            if is_of_one_key(error):
                return found
            raise
        found += [entry for entry in page if entry.verb == VERB]
        if len(page) < PAGE:
            break
        before = page[-1].id
    return found


def _of(entry: Entry, webhook_id: str, groups: Collection[str]) -> dict[str, Discard]:
    """The groups that an action may have discarded a letter of the event in. It did for certain where it named no other
    letter, there is no other group, and it moved one."""
    names, chosen = entry.criteria.get("id", ()), entry.criteria.get("group", ())
    if entry.result and not entry.moved:
        return {}
    if not any(name == webhook_id or name.startswith(f"{webhook_id}~") for name in names):
        return {}
    touched = [group for group in groups if not chosen or group in chosen]
    is_certain = len(names) == len(touched) == 1 and bool(entry.moved)
    discard = Discard(entry.ended_ms or entry.begun_ms, entry.who, entry.why, is_certain)
    return dict.fromkeys(touched, discard)
