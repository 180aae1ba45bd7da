"""Makes sure that a group exists on every stream that it reads, and finds the streams of types seen for the first time.

A group is born once: where it starts is fixed then, and holds for types that appear later too. Looks for new types
every two seconds, at the cost of one SMEMBERS a group and shard; types documented beforehand need no looking. Many are
joined by batches. A stream that refuses to have a place made is set aside, and all others are joined.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from ...shared import log, scripts
from ...shared.connection import FAULTS, Redis
from ...shared.keys import Keys
from ...shared.pause import pause
from ..api.app import Start
from ..inventory.registry import now_ms
from ..pipeline import metrics
from ..pipeline.unusable_keys import UnusableKeys

INTERVAL_S: Final = 2.0
BATCH: Final = 250
"""Types joined in one script call: some milliseconds of Redis' time."""

TYPES_TOLD: Final = 20
"""Of a loss, those whose position is logged."""

Found = Callable[[Sequence[str]], Awaitable[None]]


class Membership:
    """A group's place on the streams of one shard. `patterns` are what it subscribes to."""

    def __init__(
        self,
        client: Redis,
        keys: Keys,
        group: str,
        start: Start,
        patterns: Iterable[str] = (),
        unusable_keys: UnusableKeys | None = None,
    ) -> None:
        self._client = client
        self._keys = keys
        self._group = group
        self._start = start
        self._unusable_keys = UnusableKeys() if unusable_keys is None else unusable_keys
        self._patterns = " ".join(sorted(patterns)).encode()
        self._start_id = ""
        self.joined: set[str] = set()
        """Types on whose streams the group has a place."""
        self._positions: dict[str, tuple[str, str]] = {}
        """Type → replication id of the server that it was seen on, and stream id."""
        self._history = ""
        self._log = log.get("worker.membership")
        metrics.LOSSES.labels(group)  # there from the start: Prometheus sees no increase in what begins at 1

    async def join(self, types: Iterable[str]) -> None:
        """Create the group where it is missing. Raises RedisError, OSError; can be repeated.

        A stream that this process had joined before, and where it has to make the group anew, counts as data loss; of
        several processes that find it gone, one makes it.
        """
        names = list(types)
        self._start_id = self._start_id or await self._first_id()
        lost: dict[str, str] = {}
        for first in range(0, len(names), BATCH):
            lost |= await self._join_batch(names[first : first + BATCH])
        if lost:
            await self._report_loss(lost)

    async def _join_batch(self, names: Sequence[str]) -> dict[str, str]:
        """Join some types; those where the group had had a place, each with the id that it goes on after."""
        is_first = not self.joined
        future = f"{await now_ms(self._client) + 1000}-0" if is_first and self._start == "latest" else ""
        places = [(n, key) for n in names for key in (self._keys.stream(n), self._keys.redelivery(n, self._group))]
        call = scripts.Call(
            scripts.JOIN,
            (self._keys.groups, self._keys.patterns, *(key for _, key in places)),
            (
                self._group,
                self._start_id,
                self._patterns,
                int(is_first),
                future,
                self._history,
                *map(self._usable_position, names),
            ),
        )
        born, *results = await scripts.run(self._client, call)
        self._start_id = born.decode()
        return self._note(places, results)

    def _note(self, places: Sequence[tuple[str, str]], results: Sequence[Any]) -> dict[str, str]:
        made: dict[str, str] = {}
        refused: set[str] = set()
        for (name, key), result in zip(places, results, strict=True):
            if isinstance(result, list):
                refused.add(name)
                self._unusable_keys.add(key, result[0].decode(errors="replace"))
            elif result:
                made.setdefault(name, result.decode())  # its events come first, its redeliveries second
        lost = {name: start for name, start in made.items() if name in self.joined}
        self.joined.update(name for name, _ in places if name not in refused)
        return lost

    def note_history(self, replication_id: str) -> None:
        """Positions that are noted from now on are those of this server; a group made anew has no use for others."""
        self._history = replication_id

    def note_position(self, event_type: str, position: str) -> None:
        """Everything up to this stream id was handled by the group; "" where it has no place just now."""
        if position:
            self._positions[event_type] = self._history, position

    def position(self, event_type: str) -> str:
        """What was noted last; "0" for nothing."""
        return self._positions.get(event_type, ("", "0"))[1]

    def _usable_position(self, event_type: str) -> str:
        history, position = self._positions.get(event_type, ("", ""))
        return position if history == self._history else ""

    def report_step_back(self, types: Sequence[str]) -> None:
        """Say that the group is behind what it had handled. Each process that saw more says so."""
        reason = "the group is behind what it had handled: Redis came back with older data, or it was moved"
        self._log_loss({name: self.position(name) for name in types}, reason)

    async def _first_id(self) -> str:
        """The stream id that the group starts after if it is born now; for a Redis that comes back empty it stays so.

        The id just before that millisecond: what is stored in the millisecond of its birth must not be missed.
        """
        before_ms = await self._start_ms() - 1
        return f"{before_ms}-{2**64 - 1}" if before_ms >= 0 else "0"

    async def _start_ms(self) -> int:
        """The first millisecond whose events are the group's."""
        if self._start == "earliest":
            return 0
        if isinstance(self._start, datetime):
            return int(self._start.timestamp() * 1000)
        return await now_ms(self._client)

    async def _report_loss(self, lost: dict[str, str]) -> None:
        self._log_loss(lost, "group or stream had vanished; it was made anew")
        for name in lost:
            self._positions.pop(name, None)  # this step back is told already
        await self._client.execute_command("HINCRBY", self._keys.losses, self._group, 1)

    def _log_loss(self, goes_on_after: Mapping[str, str], reason: str) -> None:
        metrics.LOSSES.labels(self._group).inc()
        self._log.error(
            "data_loss",
            group=self._group,
            types=sorted(goes_on_after),
            reason=reason,
            goes_on_after=dict(sorted(goes_on_after.items())[:TYPES_TOLD]),
        )

    async def types(self) -> set[str]:
        """The types that were ever stored in this shard."""
        return {name.decode() for name in await self._client.execute_command("SMEMBERS", self._keys.types)}


class Discovery:
    """Hands types that appear to `found`, which subscribes to those that concern the group."""

    def __init__(self, membership: Membership, stopping: asyncio.Event, found: Found) -> None:
        self._membership = membership
        self._stopping = stopping
        self._found = found
        self._known: set[str] = set()

    async def run(self) -> None:
        """Look until stopping."""
        while not self._stopping.is_set():
            try:
                await self._poll()
            except FAULTS as error:
                log.get("worker.membership").debug("discovery_delayed", reason=str(error))
            await pause(self._stopping, INTERVAL_S)

    async def _poll(self) -> None:
        types = await self._membership.types()
        self._known &= types  # those of runs of `verify` come and go
        new = sorted(types - self._known)
        for first in range(0, len(new), BATCH):
            if self._stopping.is_set():
                return
            batch = new[first : first + BATCH]
            await self._found(batch)
            self._known.update(batch)
