"""Every key name in one place, and the names that may become part of one.

Each key of shard *s* carries the hash tag `{s}`, so that one script may touch them all and a cluster spreads
shards over its nodes (https://valkey.io/topics/cluster-spec/, "Hash tags").
"""

import re
import zlib
from dataclasses import dataclass
from typing import Final

PREFIX: Final = "hookbus:"
META: Final = f"{PREFIX}meta"
"""Hash: `layout` (version of this page) and `shards`. The only key outside the shards."""

LAYOUT: Final = 1

UNTYPED: Final = "untyped"
"""Stream of events whose body names no usable type: kept, and seen by `*` subscriptions."""

RESERVED: Final = "hookbus."
"""What event types of hookbus's own begin with, as those of `hookbus-worker verify`. OpenAI's begin with what they are
about. No wildcard brings them: who wants one names it."""

HANDOVER: Final = "handover"
"""Name under which a stopping consumer leaves what it could not finish. It never lives, so others take it over."""

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")


def is_name(text: str) -> bool:
    """Whether a type, group or source name can stand inside a key: 1 to 128 of `A-Za-z0-9_.-`."""
    return _NAME.fullmatch(text) is not None


def shard_of(webhook_id: str, shards: int) -> int:
    """The shard of an event, from its webhook-id, so that a duplicate meets its original."""
    return zlib.crc32(webhook_id.encode()) % shards


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one shard."""

    shard: int

    def _key(self, rest: str) -> str:
        return f"{PREFIX}{{{self.shard}}}:{rest}"

    def stream(self, event_type: str) -> str:
        """Stream of all events of a type."""
        return self._key(f"stream:{event_type}")

    def redelivery(self, event_type: str, group: str) -> str:
        """Stream of redeliveries to one group: due retries, redrives, replays."""
        return self._key(f"stream:{event_type}:{group}")

    def seen(self, day: int) -> str:
        """Set of 16-byte digests: the deliveries stored on a day (days since 1970, UTC)."""
        return self._key(f"seen:{day}")

    @property
    def types(self) -> str:
        """Set of the event types seen."""
        return self._key("types")

    @property
    def groups(self) -> str:
        """Hash: group → stream id that it starts after, fixed when the group is born."""
        return self._key("groups")

    @property
    def patterns(self) -> str:
        """Hash: group → the patterns that it subscribes to, separated by spaces, as its last worker to start said."""
        return self._key("patterns")

    def paused(self, group: str) -> str:
        """Hash: pattern of types → Unix ms since when their deliveries to this group are paused."""
        return self._key(f"paused:{group}")

    def breakers(self, group: str) -> str:
        """Hash: pattern of a subscription whose breaker is open → what is known of it (JSON). In shard 0 only."""
        return self._key(f"breakers:{group}")

    def delayed(self, group: str) -> str:
        """Sorted set: parked delivery → Unix ms when it is due."""
        return self._key(f"delayed:{group}")

    def delayed_data(self, group: str) -> str:
        """Hash: parked delivery → fields and values of its redelivery, packed by `park.lua`."""
        return self._key(f"delayed:{group}:data")

    def dead(self, group: str) -> str:
        """Sorted set: dead letter → Unix ms when it died."""
        return self._key(f"dead:{group}")

    def dead_data(self, group: str) -> str:
        """Hash: dead letter → its record, msgpack."""
        return self._key(f"dead:{group}:data")

    def dead_fingerprint(self, group: str, fingerprint: str) -> str:
        """Sorted set: the dead letters of one fingerprint, by time of death."""
        return self._key(f"dead:{group}:fp:{fingerprint}")

    def dead_fingerprints(self, group: str) -> str:
        """Hash: fingerprint → what all its letters share, msgpack. A field lives as long as it has letters."""
        return self._key(f"dead:{group}:fps")

    def consumers(self, group: str) -> str:
        """Hash: consumer → who it is (JSON)."""
        return self._key(f"consumers:{group}")

    def alive(self, consumer: str) -> str:
        """String with a TTL: it lives."""
        return self._key(f"alive:{consumer}")

    def started(self, group: str) -> str:
        """Hash: consumer → the suspect that it is running alone."""
        return self._key(f"started:{group}")

    def deaths(self, group: str) -> str:
        """Hash: suspect → the deaths that are surely its own, `consumer@unix_ms` separated by spaces."""
        return self._key(f"deaths:{group}")

    @property
    def worked(self) -> str:
        """Hash: group → when one of its workers last gave a sign of life, Unix ms."""
        return self._key("worked")

    @property
    def dropped(self) -> str:
        """Hash: group → dead letters that its retention dropped."""
        return self._key("stats:dropped")

    @property
    def left(self) -> str:
        """Hash: type|group → since when a group whose workers work does not read a type any more, Unix ms."""
        return self._key("stats:left")

    @property
    def rejections(self) -> str:
        """Stream: the last requests that ingest refused (JSON). In shard 0 only."""
        return self._key("rejections")

    @property
    def losses(self) -> str:
        """Hash: what vanished from Redis → how often."""
        return self._key("stats:losses")
