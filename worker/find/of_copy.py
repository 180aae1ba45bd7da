"""The life of an event of which a copy is in hand, such as a dead letter: its own entry in its event stream is read at
about the time at which it was received, and nothing is searched.
"""

from typing import Final

from ...shared.connection import Redis
from ...shared.entry import Entry
from ...shared.keys import Keys
from ..inventory import registry
from . import bus, lives, scan
from .life import Life, Place, Subject
from .scan import Bounds

AROUND_MS: Final = 5_000
"""From receiving to storing, and between the clocks of ingest and Redis (a guess)."""
MOST: Final = 20_000
"""How many events of the type are read, and how many records of each kind in a group: 50 ms."""


async def life(client: Redis, configured_shards: int, keys: Keys, event_type: str, copy: Entry) -> Life | None:
    """The life; None if the event is not in its stream about that time: then only a search can tell whether it is
    trimmed. Raises ConfigError, RedisError, OSError."""
    everything = await bus.fetch(client, await registry.shards(client, configured_shards))
    if keys not in everything.shards:
        return None

    def is_it(stored: Entry) -> bool:
        return stored.webhook_id == copy.webhook_id and stored.source == copy.source

    around = Bounds(max(0, copy.received_at_ms - AROUND_MS), copy.received_at_ms + AROUND_MS, MOST)
    scanned = await scan.scan(client, [(keys, event_type)], around, copy.webhook_id.encode(), is_it)
    if not scanned.matches:
        return None
    found = scanned.matches[0]
    place = Place(keys.stream(event_type), found.entry_id)
    subject = Subject(keys, copy.webhook_id, copy.source, event_type, found.entry, place)
    return await lives.fetch(client, everything, subject, MOST)
