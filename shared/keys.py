"""Every key name in one place, and the rule for names that become part of one.

Each key of shard *s* carries the hash tag `{s}`, so that one script may access them all and a cluster spreads shards
over its nodes (https://valkey.io/topics/cluster-spec/, "Hash tags").
"""

import re
import zlib
from typing import Final

import msgspec

PREFIX: Final = "hookbus:"
META: Final = f"{PREFIX}meta"
"""Hash: `layout` (version of the data layout), `shards` (their number), and while a worker migrates data of an older
layout `migrating`, that one. What every release reads first, so that it refuses the data of another. The only key
outside the shards."""

LAYOUT: Final = 2

UNTYPED: Final = "untyped"
"""Stream of events whose body names no usable type: kept, and delivered to `*` subscriptions."""

RESERVED: Final = "hookbus."
"""Prefix of hookbus's own event types, such as those of `hookbus-worker verify`; those of OpenAI begin with their
subject. No wildcard matches them: a subscription must name the type."""

HANDOVER: Final = "handover"
"""The consumer name that a stopping consumer leaves deliveries to. It is never alive, so others take them over."""

QUARANTINED: Final = ".quarantine"
"""End of the name of a quarantine process among the consumers. That of a worker ends with random hex digits."""

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")


def is_name(text: str) -> bool:
    """Whether a type, group or source name may be part of a key: 1 to 128 of `A-Za-z0-9_.-`."""
    return _NAME.fullmatch(text) is not None


def is_quarantined(consumer: str) -> bool:
    """Whether a consumer is a quarantine process: its death is noted with the delivery that it ran."""
    return consumer.endswith(QUARANTINED)


def is_worker(consumer: str) -> bool:
    """Whether a consumer is a worker, neither the handover nor a quarantine process, which counts with its worker."""
    return consumer != HANDOVER and not is_quarantined(consumer)


def listed_as(event_type: str, group: str) -> str:
    """The member of a redelivery stream in `Keys.redeliveries`. Neither name can contain the separator."""
    return f"{group}|{event_type}"


def shard_of(webhook_id: str, shards: int) -> int:
    """The shard of an event, from its webhook-id, so that a duplicate meets its original."""
    return zlib.crc32(webhook_id.encode()) % shards


class Keys(msgspec.Struct, frozen=True):
    """The keys of one shard."""

    shard: int

    def _key(self, rest: str) -> str:
        return f"{PREFIX}{{{self.shard}}}:{rest}"

    def stream(self, event_type: str) -> str:
        """Stream of all events of a type."""
        return self._key(f"stream:{event_type}")

    def redelivery(self, event_type: str, group: str) -> str:
        """Stream of redeliveries to one group: due retries, redrives, replays. Exists while it holds any."""
        return self._key(f"stream:{event_type}:{group}")

    @property
    def redeliveries(self) -> str:
        """Set: group|type of each redelivery stream that exists."""
        return self._key("redeliveries")

    def seen(self, day: int) -> str:
        """Set of 16-byte digests: the deliveries stored on a day (days since 1970, UTC)."""
        return self._key(f"seen:{day}")

    @property
    def meta(self) -> str:
        """Hash: `layout`, `shard` (its number), `generation`, and `state`, "open" while it stores events."""
        return self._key("meta")

    @property
    def generations(self) -> str:
        """Hash: number of a generation → its shards (JSON). In the home shard."""
        return self._key("generations")

    @property
    def types(self) -> str:
        """Set of the event types seen."""
        return self._key("types")

    @property
    def groups(self) -> str:
        """Hash: group → stream id that it starts after, fixed when the group is created."""
        return self._key("groups")

    @property
    def patterns(self) -> str:
        """Hash: group → the patterns that it subscribes to, separated by spaces, as of its last worker to start."""
        return self._key("patterns")

    @property
    def paused(self) -> str:
        """Hash: group|pattern of types whose deliveries to the group are paused → since when and why (JSON)."""
        return self._key("paused")

    @property
    def suspended(self) -> str:
        """Hash: group|pattern of a subscription → its open breaker, or its hold (JSON). In the home shard."""
        return self._key("suspended")

    def delayed(self, group: str) -> str:
        """Sorted set: parked delivery → Unix ms when it is due."""
        return self._key(f"delayed:{group}")

    @property
    def due(self) -> str:
        """Sorted set: group → Unix ms of its earliest parked delivery, or earlier."""
        return self._key("due")

    def delayed_data(self, group: str) -> str:
        """Hash: parked delivery → fields and values of its redelivery, packed by `park.lua`."""
        return self._key(f"delayed:{group}:data")

    def snoozed(self, group: str) -> str:
        """Sorted set: parked delivery that its handler snoozed → Unix ms when its first attempt began."""
        return self._key(f"delayed:{group}:snoozed")

    def dead(self, group: str) -> str:
        """Sorted set: dead letter → Unix ms when it was dead-lettered."""
        return self._key(f"dead:{group}")

    def dead_data(self, group: str) -> str:
        """Hash: dead letter → its record, msgpack."""
        return self._key(f"dead:{group}:data")

    def dead_fingerprint(self, group: str, fingerprint: str) -> str:
        """Sorted set: the dead letters of one fingerprint → Unix ms when each was dead-lettered."""
        return self._key(f"dead:{group}:fp:{fingerprint}")

    def dead_fingerprints(self, group: str) -> str:
        """Hash: fingerprint → the common part of its dead letters, msgpack. A field stays while it has dead letters."""
        return self._key(f"dead:{group}:fps")

    def recovered(self, group: str) -> str:
        """Sorted set: recovered delivery → Unix ms when it was handled."""
        return self._key(f"recovered:{group}")

    def recovered_data(self, group: str) -> str:
        """Hash: recovered delivery → its record, msgpack."""
        return self._key(f"recovered:{group}:data")

    def consumers(self, group: str) -> str:
        """Hash: consumer → its record of the worker (JSON)."""
        return self._key(f"consumers:{group}")

    def alive(self, consumer: str) -> str:
        """String with a TTL, the liveness key: the consumer is alive while it exists."""
        return self._key(f"alive:{consumer}")

    def running(self, consumer: str) -> str:
        """String with a TTL: what runs in a consumer now (JSON). In the home shard."""
        return self._key(f"running:{consumer}")

    @property
    def expiries(self) -> str:
        """Sorted set: consumer → Unix ms when its liveness key expires unless renewed; group|handover → when deliveries
        were last left there. A hint."""
        return self._key("expiries")

    def deaths(self, group: str) -> str:
        """Hash: suspect → the quarantine processes that died of it, `consumer@unix_ms` separated by spaces."""
        return self._key(f"deaths:{group}")

    @property
    def chores(self) -> str:
        """String with a TTL: the consumer that does what one worker can do for the whole shard."""
        return self._key("chores")

    @property
    def worked(self) -> str:
        """Hash: group → when one of its workers last gave a sign of life, Unix ms."""
        return self._key("worked")

    @property
    def dropped(self) -> str:
        """Hash: group → number of dead letters dropped by retention."""
        return self._key("stats:dropped")

    @property
    def discarded(self) -> str:
        """Hash: group → number of dead letters that people discarded."""
        return self._key("stats:discarded")

    @property
    def left(self) -> str:
        """Hash: type|group → since when a group with live workers no longer reads a type, Unix ms."""
        return self._key("stats:left")

    @property
    def rejections(self) -> str:
        """Stream: the last requests that ingest refused (JSON). In the home shard."""
        return self._key("rejections")

    @property
    def ingests(self) -> str:
        """Hash: ingest process → its record (JSON), renewed every ten seconds. In the home shard."""
        return self._key("ingests")

    @property
    def audit(self) -> str:
        """Stream: what people changed by a tool or the console (JSON). In the home shard."""
        return self._key("audit")

    def job(self, job_id: str) -> str:
        """Hash with a TTL: a bulk move of a console, its numbers, and whether it shall stop. In the home shard."""
        return self._key(f"job:{job_id}")

    def minute(self, number: int) -> str:
        """Hash: group|figure → its value in a minute (minutes since 1970, UTC). In the home shard, for six hours."""
        return self._key(f"stats:m:{number}")

    def hour(self, number: int) -> str:
        """Hash: group|figure → its value in an hour (hours since 1970, UTC). In the home shard, for two weeks."""
        return self._key(f"stats:h:{number}")

    @property
    def losses(self) -> str:
        """Hash: what vanished from Redis and was created again → how often."""
        return self._key("stats:losses")


HOME: Final = Keys(0)
"""The home shard: what concerns all shards lies in the first one of a generation."""


def of(key: str) -> Keys:
    """The keys of the shard that a key belongs to."""
    return Keys(int(key[len(PREFIX) + 1 : key.index("}")]))
