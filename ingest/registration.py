"""Tells the tools that this process is there: a record in a hash, written every ten seconds and removed at the end.

Best effort: it changes no answer and no readiness. Records of processes that were killed are removed after an hour, by
the others. A nearly full Redis takes no new record, but one is still replaced, which needs no memory: a process that
lives must not look dead just then. Costs Redis one script every ten seconds, one HGETALL every ten minutes, and some
400 bytes a process.
"""

import asyncio
import time
from collections.abc import Callable
from hashlib import blake2b
from typing import Final

import msgspec
from msgspec import structs
from redis.exceptions import ReadOnlyError, ResponseError

from ..shared import clock, ingest_record, log, scripts
from ..shared.connection import FAULTS, Redis
from ..shared.ingest_record import INTERVAL_S, KEPT_S, IngestRecord
from ..shared.keys import HOME
from ..shared.memory import NEARLY_FULL
from ..shared.process_name import new_name
from ..shared.release import VERSION
from ..shared.settings import Common
from . import metrics
from .settings import IngestSettings

START_S: Final = 1.0
"""Until the next write while it does not listen yet."""
SWEEP_S: Final = 600.0
"""Between two looks for records of processes that were killed."""
OF_ONE: Final = frozenset((*Common.__struct_fields__, "listen", "ops_listen"))
"""Settings that a process may have for itself."""


class Registration:
    """The record of this process. `settings` returns those in force, `listen` its addresses, `reason` why it is not
    ready, `memory_used` the share of Redis' memory in use. Nothing is written before Redis `was_healthy`."""

    def __init__(
        self,
        client: Redis,
        *,
        settings: Callable[[], IngestSettings],
        listen: Callable[[], tuple[str, ...]],
        reason: Callable[[], str],
        memory_used: Callable[[], float],
        was_healthy: asyncio.Event,
    ) -> None:
        self._client = client
        self._settings = settings
        self._listen = listen
        self._reason = reason
        self._memory_used = memory_used
        self._was_healthy = was_healthy
        self._name = new_name()
        self._since_ms = 0
        self._sweep_at = 0.0
        self._is_refused = False

    async def run(self) -> None:
        """Write the record until cancelled, then remove it."""
        await self._was_healthy.wait()
        try:
            while True:
                await self._try_write()
                await asyncio.sleep(INTERVAL_S if self._listen() else START_S)
        finally:
            await self._leave()

    async def _try_write(self) -> None:
        try:
            if not await self._replace() and self._memory_used() <= NEARLY_FULL:
                await self._add()
            await self._sweep_at_times()
            self._is_refused = False
        except ReadOnlyError:
            return  # a primary that has moved: the connection is left, and the next one is of the new primary
        except ResponseError as error:
            if not self._is_refused:
                self._is_refused = True
                effect = "hookbus-worker processes does not show this one; nothing else changes"
                log.get("ingest.registration").warning("not_registered", reason=str(error), effect=effect)
        except FAULTS:
            return  # the health checks report it

    async def _replace(self) -> bool:
        """Write the record in place of the last one. Returns whether there was one."""
        self._since_ms = self._since_ms or clock.now_ms()
        args = self._name, ingest_record.encode(self._record())
        return bool(await scripts.run(self._client, scripts.Call(scripts.REPLACE, (HOME.ingests,), args)))

    async def _add(self) -> None:
        await self._client.execute_command("HSET", HOME.ingests, self._name, ingest_record.encode(self._record()))

    async def _sweep_at_times(self) -> None:
        if time.monotonic() >= self._sweep_at:
            self._sweep_at = time.monotonic() + SWEEP_S
            await self._sweep()

    async def _sweep(self) -> None:
        flat = await self._client.execute_command("HGETALL", HOME.ingests)
        oldest_ms = clock.now_ms() - KEPT_S * 1000
        stored = {name.decode(): each for name, each in zip(flat[::2], flat[1::2], strict=True)}
        records = ingest_record.read(stored)
        if gone := [name for name, record in records.items() if record.at_ms < oldest_ms]:
            await self._client.execute_command("HDEL", HOME.ingests, *gone)

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(1.0):  # the process ends: its record expires by itself
                await self._client.execute_command("HDEL", HOME.ingests, self._name)
        except (TimeoutError, *FAULTS):
            return

    def _record(self) -> IngestRecord:
        settings = self._settings()
        return IngestRecord(
            clock.now_ms(),
            self._since_ms,
            VERSION,
            self._listen(),
            tuple(sorted(settings.sources)),
            settings.durability,
            digest_of(settings),
            self._reason(),
            _answers(),
        )


def digest_of(settings: IngestSettings) -> str:
    """A digest of the settings that all processes of a bus should share, without secrets."""
    values = {name: getattr(settings, name) for name in settings.__struct_fields__ if name not in OF_ONE}
    values["sources"] = {name: structs.replace(each, secrets=()) for name, each in sorted(settings.sources.items())}
    return blake2b(msgspec.json.encode(values), digest_size=4).hexdigest()


def _answers() -> dict[str, int]:
    answers: dict[str, int] = {}
    for (_, _, code), count in metrics.REQUESTS.values():
        if count:
            answers[code] = answers.get(code, 0) + int(count)
    return answers
