"""Looks at the shard of the tests."""

import asyncio
from collections.abc import Sequence

from hookbus.worker.duties.look import Lookout
from hookbus.worker.pipeline.unusable_keys import UnusableKeys
from tests.worker.builders import KEYS


def a_lookout(client, stopping: asyncio.Event | None = None) -> Lookout:
    """A lookout that does not run."""
    return Lookout(client, KEYS, UnusableKeys(), stopping or asyncio.Event())


async def looked(client, stopping: asyncio.Event | None = None) -> Lookout:
    """A lookout that looked once."""
    lookout = a_lookout(client, stopping)
    await lookout.look()
    return lookout


async def ignore(types: Sequence[str]) -> None:
    """In place of those who wait for types."""
