"""The call of a group commit: what is stored and what may know of it, as keys and arguments of `enqueue.lua`.

Pure; the queue sends it. `trial` is the same script at work on nothing that anybody reads: the look at a Redis finds
out by it whether a post would be stored.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from ..shared import scripts
from ..shared.keys import UNTYPED, Keys

DIGEST_BYTES: Final = 16
DAY_MS: Final = 86_400_000
TRIAL_TTL_S: Final = 60
"""Should the script break off before it removes what a trial wrote."""


class Received(msgspec.Struct, frozen=True):
    """A verified event. `at_ms` is Unix ms; `traceparent` is "" where the sender gave none; `delay_ms`: how long it was
    on its way, None where it does not say when it was made."""

    event_type: str
    webhook_id: str
    source: str
    at_ms: int
    body: bytes
    traceparent: str = ""
    delay_ms: int | None = None

    def digest(self) -> bytes:
        """What the dedupe remembers."""
        return digest_of(self.source, self.webhook_id)


def digest_of(source: str, webhook_id: str) -> bytes:
    """16 bytes of source and webhook-id.

    Ids are unique for their sender only; without the source, one sender's id could swallow another's event.
    """
    return hashlib.blake2b(f"{source}\n{webhook_id}".encode(), digest_size=DIGEST_BYTES).digest()


def store(shard: Keys, events: Sequence[Received], days: int) -> scripts.Call:
    """The call that stores a batch of one shard; `days` day sets make up the dedupe window."""
    today = events[0].at_ms // DAY_MS
    seen = _window(shard, today, days)
    streams = {name: i for i, name in enumerate(dict.fromkeys(event.event_type for event in events), 1)}
    args: list[scripts.Argument] = [len(seen), (days + 1) * DAY_MS // 1000, len(streams), *streams]
    for event in events:
        args += (
            streams[event.event_type],
            event.digest(),
            event.webhook_id,
            event.source,
            event.at_ms,
            event.body,
            event.traceparent,
        )
    names = [shard.types, shard.seen(today - days), *seen, *(shard.stream(name) for name in streams)]
    return scripts.Call(scripts.ENQUEUE, names, args)


def _window(shard: Keys, today: int, days: int) -> list[str]:
    # Tomorrow's too: another process, or this one before its clock was set back, may have been past midnight.
    return [shard.seen(day) for day in (today, today + 1, *(today - day for day in range(1, days)))]


def trial(shard: Keys, today: int, days: int) -> scripts.Call:
    """The call that does for nobody's event all that storing one does, and leaves nothing.

    Whatever Redis would refuse of a post it refuses of this: the script, a command inside of it, a key, a write. In
    the place of what is written to stands one scratch key, a day set of 1970, which the script removes in the end as
    the expired one. XADD meets it last and must fail with WRONGTYPE. The real sets are read, and the real names stand
    there for the user's ACL.
    """
    scratch = shard.seen(0)
    seen = [scratch, *_window(shard, today, days), shard.types]
    names = [scratch, scratch, *seen, scratch, shard.stream(UNTYPED)]
    event: list[scripts.Argument] = [1, bytes(DIGEST_BYTES), "trial", "trial", 0, b"", ""]
    return scripts.Call(scripts.ENQUEUE, names, [len(seen), TRIAL_TTL_S, 1, "trial", *event])
