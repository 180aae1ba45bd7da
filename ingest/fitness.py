"""Whether Redis can keep what a 200 promises: asked on every new connection, and again every two seconds.

Unfit means 503 with the reason as its code, not unreadiness: all replicas share that Redis, and an empty endpoint
list would only hide why. Costs Redis one INFO, one CONFIG GET and two commands on one small hash each time.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Final, Literal

from redis.asyncio import Redis
from redis.exceptions import RedisError

from ingest import metrics
from shared import keys, log, server
from shared.backoff import Reconnect
from shared.connection import FAULTS, Ask, refusal_code
from shared.settings import ConfigError

INTERVAL_S: Final = 2.0

Code = Literal["queue_unavailable", "overloaded", "not_durable"]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why no 200 can be given now."""

    code: Code
    detail: str


class UnfitError(RedisError):
    """Raised inside a greeting, so that no command follows on that connection."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(f"{fault.code}: {fault.detail}")
        self.fault = fault


def fault_of(error: Exception) -> Fault:
    """The fault behind an error of a Redis call, told by the first word of Redis' own refusals."""
    if isinstance(error, UnfitError):
        return error.fault
    code = refusal_code(error)
    text = str(error) or type(error).__name__
    if code == "OOM":
        return Fault("overloaded", "Redis is out of memory")
    if code in ("MISCONF", "NOREPLICAS"):
        return Fault("not_durable", text)
    return Fault("queue_unavailable", text)


def judge(found: server.Server, durability: str) -> Fault | None:
    """What a server's state and configuration leave to be desired."""
    if found.info.get("role") != "master":
        return Fault("queue_unavailable", "connected to a read-only replica")
    if found.info.get("loading") == "1":
        return Fault("queue_unavailable", "Redis is loading its data")
    if found.eviction_policy != "noeviction":
        return Fault("not_durable", f"maxmemory-policy is {found.eviction_policy or 'unknown'}, not noeviction")
    if durability == "fsync":
        if found.info.get("aof_last_write_status", "ok") != "ok":
            return Fault("not_durable", "Redis can't write its append-only file")
        for name, wanted in (("appendonly", "yes"), ("appendfsync", "always")):
            if found.setting(name) != wanted:
                actual = found.setting(name) or "unknown (CONFIG is refused)"
                return Fault("not_durable", f"durability fsync needs {name} {wanted}; it is {actual}")
    return None


class Fitness:
    """Keeps `fault` up to date: None while Redis is fit."""

    def __init__(self, durability: str, shards: int, unsafe: bool) -> None:
        self._durability = durability
        self._shards = shards
        self._unsafe = unsafe
        self._log = log.get("ingest.fitness")
        self._doubt = asyncio.Event()
        self._known = False
        self.was_fit = asyncio.Event()
        """Set when Redis was fit for the first time: the program is ready from then on."""
        self.was_seen = asyncio.Event()
        """Set when the first look is over, whatever it saw."""
        self.fault: Fault | None = Fault("queue_unavailable", "not connected yet")

    async def greet(self, ask: Ask) -> None:
        """For `connect(greet=…)`: lets no command onto a connection whose server is not fit. Raises UnfitError."""
        try:
            found = await server.inspect(ask, self._shards)
        except ConfigError as error:
            raise UnfitError(Fault("queue_unavailable", str(error))) from error
        fault = judge(found, self._durability)
        if fault is not None and not (self._unsafe and fault.code == "not_durable"):
            raise UnfitError(fault)
        # A write that changes nothing: refused when writes are (OOM, MISCONF …).
        await ask("HSETNX", keys.META, "layout", keys.LAYOUT)
        if found.is_new and self._known:
            self._report_loss()
        self._known = True

    def doubt(self, fault: Fault) -> None:
        """A command failed: answer 503 until the next look says otherwise, and look soon."""
        self._set(fault)
        self._doubt.set()

    async def run(self, client: Redis) -> None:
        """Look every two seconds, sooner after a failure. Raises ConfigError if the first server is a wrong one."""
        reconnect = Reconnect()
        while True:
            try:
                await self.greet(client.execute_command)
            except UnfitError as error:
                if isinstance(error.__cause__, ConfigError) and not self.was_fit.is_set():
                    raise error.__cause__ from None
                self._set(error.fault)
                wait_s = reconnect.next_s()
            except FAULTS as error:
                self._set(fault_of(error))
                wait_s = reconnect.next_s()
            else:
                self._set(None)
                reconnect.reset()
                wait_s = INTERVAL_S
            await self._wait(wait_s)

    async def _wait(self, wait_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._doubt.wait()
        self._doubt.clear()

    def _set(self, fault: Fault | None) -> None:
        if fault is None:
            self.was_fit.set()
            if self.fault is not None:
                self._log.info("redis_fit")
        elif self.fault is None or self.fault.code != fault.code or (not self.was_fit.is_set() and fault != self.fault):
            self._log.warning("redis_unfit", code=fault.code, reason=fault.detail)
        self.fault = fault
        self.was_seen.set()
        metrics.FIT.set(fault is None)

    def _report_loss(self) -> None:
        metrics.LOSSES.inc()
        self._log.error("data_loss", lost=keys.META, reason="Redis came back empty; it was claimed anew")
