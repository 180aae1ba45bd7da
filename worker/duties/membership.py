"""Creates a group on every stream that it reads, and discovers the streams of new event types.

The start position of a group is fixed once, when it is first created, and also applies to types that appear later.
Discovery runs after each look at the shard; documented types need none. Streams are joined in batches. A stream on
which the group cannot be created is marked unusable, and all others are joined.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from ...shared import log, scripts
from ..api.app import Start
from ..inventory.redeliveries import relist
from ..inventory.registry import now_ms
from ..pipeline import metrics
from ..pipeline.group_context import GroupContext
from .look import Look, Lookout

BATCH: Final = 250
"""Types joined in one script call, which takes some milliseconds of Redis' time."""

TYPES_LOGGED: Final = 20
"""Maximum of positions in the log line of a loss."""

OnTypes = Callable[[Sequence[str]], Awaitable[None]]


class Membership:
    """Creates one group on the streams of one shard. `patterns` are those that it subscribes to."""

    def __init__(self, here: GroupContext, start: Start, patterns: Iterable[str]) -> None:
        self._here = here
        self._start = start
        self._patterns = " ".join(sorted(patterns)).encode()
        self._start_id = ""
        self.joined: set[str] = set()
        """Types on whose streams the group exists."""
        self._positions: dict[str, tuple[str, str]] = {}
        """Type → replication id of the server on which the position was recorded, and stream id."""
        self._replication_id = ""
        self._log = log.get("worker.membership")
        # Exported from the start: Prometheus sees no increase in a series that begins at 1.
        metrics.LOSSES.labels(here.group)

    async def join(self, types: Iterable[str]) -> None:
        """Create the group on the streams where it is missing. Raises RedisError, OSError; can be repeated.

        If the group has to be recreated on a stream that this process had joined, that counts as data loss. If several
        processes detect it, only one of them recreates the group.
        """
        names = list(types)
        self._start_id = self._start_id or await self._first_id()
        lost: dict[str, str] = {}
        for first in range(0, len(names), BATCH):
            lost |= await self._join_batch(names[first : first + BATCH])
        if lost:
            await self._report_loss(lost, "the group or its stream had vanished and was created again")
            for name in lost:
                self._positions.pop(name, None)  # this step back is logged already

    async def _join_batch(self, names: Sequence[str]) -> dict[str, str]:
        """Join some types. Returns those where the group had existed → the id after which it continues."""
        is_first = not self.joined
        future = f"{await now_ms(self._here.client) + 1000}-0" if is_first and self._start == "latest" else ""
        call = scripts.Call(
            scripts.JOIN,
            (self._here.keys.groups, self._here.keys.patterns, *map(self._here.keys.stream, names)),
            (
                self._here.group,
                self._start_id,
                self._patterns,
                int(is_first),
                future,
                self._replication_id,
                *map(self._usable_position, names),
            ),
        )
        born, *results = await scripts.run(self._here.client, call)
        self._start_id = born.decode()
        return self._recreated(names, results)

    def _recreated(self, names: Sequence[str], results: Sequence[Any]) -> dict[str, str]:
        lost: dict[str, str] = {}
        for name, result in zip(names, results, strict=True):
            if isinstance(result, list):
                self._here.unusable_keys.add(self._here.keys.stream(name), result[0].decode(errors="replace"))
                continue
            if result and name in self.joined:
                lost[name] = result.decode()
            self.joined.add(name)
        return lost

    async def relist(self, types: Sequence[str]) -> list[str]:
        """Check the redelivery streams of some types. Returns the types of those that exist. Raises RedisError,
        OSError.

        One that was deleted by others, or the group on it, counts as data loss.
        """
        calls = [relist(self._here.keys, self._here.group, name) for name in types]
        states = dict(zip(types, await scripts.run_all(self._here.client, calls), strict=True))
        for name, state in states.items():
            if isinstance(state, Exception):
                self._here.unusable_keys.accepts(self._here.keys.redelivery(name, self._here.group), state)
        if lost := [name for name in types if states[name] in (b"created", b"deleted")]:
            await self._report_loss(dict.fromkeys(lost, "0"), "a redelivery stream, or the group on it, had vanished")
        return [name for name in types if states[name] not in (b"gone", b"deleted")]

    def record(self, positions: Mapping[str, str], replication_id: str) -> None:
        """Everything up to these stream ids, by type, was handled by the group on this server; a recreated group cannot
        use those of another one. Every process that saw a later one logs a step back."""
        before = {name: self._positions[name][1] for name in positions.keys() & self._positions}
        back = {name: positions[name] for name, last in before.items() if parts_of(positions[name]) < parts_of(last)}
        self._replication_id = replication_id
        self._positions |= {name: (replication_id, position) for name, position in positions.items()}
        if back:
            reason = (
                "the group is behind its last handled event: Redis came back with older data, or the group was moved"
            )
            self._log_loss(back, reason)

    def _usable_position(self, event_type: str) -> str:
        replication_id, position = self._positions.get(event_type, ("", ""))
        return position if replication_id == self._replication_id else ""

    async def _first_id(self) -> str:
        """The stream id after which the group starts if it is created now. It stays valid if Redis comes back empty.

        It is the last id before the start millisecond, so that events stored in that millisecond are not missed.
        """
        before_ms = await self._start_ms() - 1
        return f"{before_ms}-{2**64 - 1}" if before_ms >= 0 else "0"

    async def _start_ms(self) -> int:
        """The first millisecond, Unix ms, whose events the group receives."""
        if self._start == "earliest":
            return 0
        if isinstance(self._start, datetime):
            return int(self._start.timestamp() * 1000)
        return await now_ms(self._here.client)

    async def _report_loss(self, lost: Mapping[str, str], reason: str) -> None:
        self._log_loss(lost, reason)
        await self._here.client.execute_command("HINCRBY", self._here.keys.losses, self._here.group, 1)

    def _log_loss(self, goes_on_after: Mapping[str, str], reason: str) -> None:
        metrics.LOSSES.labels(self._here.group).inc()
        self._log.error(
            "data_loss",
            group=self._here.group,
            types=sorted(goes_on_after),
            reason=reason,
            goes_on_after=dict(sorted(goes_on_after.items())[:TYPES_LOGGED]),
        )


def parts_of(entry_id: str) -> tuple[int, int]:
    """Milliseconds and sequence number, for comparing."""
    ms, _, sequence = entry_id.partition("-")
    return int(ms), int(sequence or 0)


class Discovery:
    """Passes new types to `on_types`, which subscribes to those that concern the group, and then the types of all its
    redelivery streams to `on_redeliveries`."""

    def __init__(self, here: GroupContext, lookout: Lookout, on_types: OnTypes, on_redeliveries: OnTypes) -> None:
        self._here = here
        self._lookout = lookout
        self._on_types = on_types
        self._on_redeliveries = on_redeliveries
        self._known: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Discover until stopping."""
        await self._lookout.each(self._pass_on, self._pass_on_redeliveries, logger=log.get("worker.membership"))

    async def _pass_on_redeliveries(self, look: Look) -> None:
        await self._on_redeliveries(sorted(look.redeliveries.get(self._here.group, ())))

    async def _pass_on(self, look: Look) -> None:
        if new := look.types - self._known:
            await self._on_types(sorted(new))
        self._known = look.types  # types of `verify` runs come and go
