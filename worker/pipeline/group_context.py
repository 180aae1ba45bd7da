"""What all that serves a group in one shard has in common."""

import asyncio
from dataclasses import dataclass

from ...shared.connection import Redis
from ...shared.keys import Keys
from .unusable_keys import UnusableKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupContext:
    """One group in the shard of `keys`, served by this process under the name `consumer`. `client` is for all but
    blocking reads and outcomes. Those who hold it call it `here`."""

    client: Redis
    keys: Keys
    group: str
    consumer: str
    unusable_keys: UnusableKeys
    stopping: asyncio.Event
