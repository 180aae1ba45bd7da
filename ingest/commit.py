"""The script call of a group commit: events and dedupe window as keys and arguments of `enqueue.lua`.

The window is a few sets, one a day, which a batch asks with one command each. Small hashes (12-byte digest → 9-byte
position of the entry, 50 to 100 in a bucket) would take 26 to 30 bytes an id instead of 41 (Valkey 9.1) or 85 (Redis
7.0), but each event asks buckets of its own: measured in turn, `enqueue` costs Redis 1.4 to 2.0 times as much from
batches of 16 on, and even with a single period 1.2 to 1.5 times as much in batches of 256. One hash a day in place of
its set (12-byte digest → 4 bytes of its time) costs next to nothing (41.2 bytes an id for 40.9, 1.00 to 1.03 times the
time), but needs another layout: `find` does without, as it reads the day in a second or two.

Pure; the queue sends it. `trial` calls the same script on keys that nothing reads, so that the health check of a Redis
detects whether a post would be stored.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from ..shared import scripts
from ..shared.dedupe import DAY_MS, DIGEST_BYTES, digest_of
from ..shared.keys import UNTYPED, Keys

TRIAL_TTL_S: Final = 60
"""Expires the scratch key, should the script end before it removes it."""


class Received(msgspec.Struct, frozen=True):
    """A verified event. `at_ms` is Unix ms; `traceparent` is "" where the sender sent none; `delay_ms` is the time from
    its `created_at` to its receipt, None without a `created_at`."""

    event_type: str
    webhook_id: str
    source: str
    at_ms: int
    body: bytes
    traceparent: str = ""
    delay_ms: int | None = None

    def digest(self) -> bytes:
        """The member of a day set that marks the event as stored."""
        return digest_of(self.source, self.webhook_id)


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
    # Tomorrow's too: another process, or this one before its clock was set back, may have stored after midnight.
    return [shard.seen(day) for day in (today, today + 1, *(today - day for day in range(1, days)))]


def trial(shard: Keys, today: int, days: int) -> scripts.Call:
    """The call that runs every step of storing an event for a dummy event, and leaves nothing.

    Redis refuses it for whatever it would refuse of a post: the script, a command inside of it, a key, a write. One
    scratch key, a day set of 1970, replaces every key that is written to; the script removes it at its end as the
    expired one. XADD comes last and must fail on it with WRONGTYPE. The real sets are read, and the real names are
    passed for the user's ACL.
    """
    scratch = shard.seen(0)
    seen = [scratch, *_window(shard, today, days), shard.types]
    names = [scratch, scratch, *seen, scratch, shard.stream(UNTYPED)]
    event: list[scripts.Argument] = [1, bytes(DIGEST_BYTES), "trial", "trial", 0, b"", ""]
    return scripts.Call(scripts.ENQUEUE, names, [len(seen), TRIAL_TTL_S, 1, "trial", *event])
