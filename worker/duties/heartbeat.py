"""Renews the liveness key of this process every two seconds, from its own thread with its own connection.

A CPU-bound handler may block the event loop for longer than the key's TTL. The thread renews the key as long as the
loop has run within the longest time that a handler may take. After that the process counts as stuck, and its deliveries
go to others. Costs Redis one script per shard and one TIME every two seconds, however many groups; the TIME also
synchronizes the clock of the process with that of Redis (`shared.clock`).
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import redis as sync_redis

from ...shared import clock, log, scripts
from ...shared.address import Address
from ...shared.connection import FAULTS, connect_blocking
from ...shared.keys import HOME, Keys
from ..inventory import expiries
from .same_host import Presence

TTL_S: Final = 10.0
"""The others look once a second, so a death is detected within 11 s, which leaves a margin to the 15 s of G4."""
INTERVAL_S: Final = 2.0
REPLY_TIMEOUT_S: Final = 2.0
REGISTER_S: Final = 60.0
"""Between two registrations of a consumer whose liveness key never went: only a deletion by hand removes those."""
UNREGISTERED: Final = -1
"""The result of `renew.lua` for a consumer that is not registered."""
STEP_MS: Final = 2000
"""A smaller step of Redis' clock expires no liveness key: with a renewal every two seconds and a reply that takes two
more, each has six seconds left. A reply so late cannot be distinguished from a step either."""


def _nothing(_client: sync_redis.Redis) -> None: ...


class Liveness:
    """The liveness key of one consumer. `registrations`: group → its record of the consumer, as `readers.register`.

    `loop_age_s` returns for how many seconds the event loop has not run.
    """

    def __init__(
        self,
        address: Address | str,
        consumer: str,
        *,
        registrations: Mapping[str, bytes],
        shards: Sequence[Keys],
        loop_age_s: Callable[[], float],
        hard_limit_s: float,
    ) -> None:
        self.on_renewed: Callable[[sync_redis.Redis], None] = _nothing
        """Called by the thread after each renewal, with its client."""
        self._client = connect_blocking(address, f"hookbus-worker:liveness:{consumer}", reply_timeout_s=REPLY_TIMEOUT_S)
        self._consumer = consumer
        self._shards = shards
        self._loop_age_s = loop_age_s
        self._hard_limit_s = hard_limit_s
        self._registrations = registrations
        self._presence: Presence | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="liveness", daemon=True)
        self._steady_since: float | None = None
        self._renewed_at: float | None = None
        self._register_at = 0.0
        self._log = log.get("worker.heartbeat")

    def start(self) -> None:
        """Set the key, then renew it every two seconds. Blocks for some round trips. Raises RedisError, OSError."""
        uptime_s = self._client.info("server")["uptime_in_seconds"]
        self._follow_clock()
        self._presence = self._presence or Presence(self._consumer)  # before other processes can see this one
        self._renew()
        # On a server that has just started, keys may have expired while no process could renew them.
        self._steady_since = time.monotonic() - min(float(uptime_s), TTL_S)
        self._thread.start()

    @property
    def has_begun(self) -> bool:
        """Whether `start` was called, perhaps without success: then `stop` has something to remove."""
        return self._presence is not None

    def silent_s(self) -> float:
        """Seconds since the last renewal; 0 before the first."""
        return 0.0 if self._renewed_at is None else time.monotonic() - self._renewed_at

    def is_steady(self) -> bool:
        """Whether every consumer that is alive has had time to renew its key: this one succeeded for a whole TTL."""
        return self._steady_since is not None and time.monotonic() - self._steady_since >= TTL_S

    def has_failed(self) -> bool:
        """Whether the thread has ended without `stop`: other processes would take this one for dead."""
        return self._thread.ident is not None and not self._thread.is_alive() and not self._stop.is_set()

    def stop(self) -> None:
        """Stop renewing and delete the key, so that others need not wait for its end."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        try:
            for keys in self._shards:
                call = expiries.lapse(keys, self._consumer)
                self._client.eval(call.script.source, len(call.keys), *call.keys, *call.args)
            self._client.unlink(HOME.running(self._consumer))  # what runs here, if that was published
        except FAULTS as error:
            self._log.debug("liveness_not_removed", reason=str(error))
        if self._presence is not None:
            self._presence.leave()
        self._client.close()
        clock.leave()

    def _run(self) -> None:
        was_stuck = False
        while not self._stop.wait(INTERVAL_S):
            is_stuck = self._loop_age_s() > self._hard_limit_s
            if is_stuck and not was_stuck:
                self._log.error("loop_stalled", seconds=round(self._loop_age_s(), 1), reason="declared dead")
            was_stuck = is_stuck
            if is_stuck:
                continue
            try:
                self._follow_clock()
                self._renew()
                self.on_renewed(self._client)
            except FAULTS as error:
                self._steady_since = None
                self._log.warning("liveness_not_renewed", reason=str(error) or type(error).__name__)
            else:
                self._steady_since = self._steady_since or time.monotonic()

    def _follow_clock(self) -> None:
        sent_s = time.monotonic()
        seconds, microseconds = self._client.time()
        if clock.follow(seconds * 1000 + microseconds // 1000, sent_s) > STEP_MS:
            self._steady_since = None  # all keys may have expired at once

    def _renew(self) -> None:
        """Renew the key, and register the consumer again if others may have removed it, as of one declared dead."""
        register_at = self._register_at
        is_known = time.monotonic() < self._register_at
        self._register_at = 0.0  # unless all of it succeeds
        if self._presence is not None:
            self._presence.touch()
        is_registered = True
        for keys in self._shards:
            is_registered &= self._renew_in(keys, is_known=is_known)
        self._renewed_at = time.monotonic()
        if is_registered:
            self._register_at = register_at if is_known else self._renewed_at + REGISTER_S

    def _renew_in(self, keys: Keys, *, is_known: bool) -> bool:
        """Renew it in one shard; the records are sent only if the consumer is not registered there. Returns whether all
        groups have theirs."""
        source = scripts.RENEW.source  # in full: at one call in two seconds, EVALSHA is not worth handling a NOSCRIPT
        names = (keys.alive(self._consumer), keys.worked, keys.expiries, *map(keys.consumers, self._registrations))
        times_ms = round(TTL_S * 1000), clock.now_ms(), expiries.KEPT_MS
        records = () if is_known else self._registrations.values()
        args = (self._consumer, *times_ms, len(self._registrations), *self._registrations, *records)
        result = self._client.eval(source, len(names), *names, *args)
        return self._renew_in(keys, is_known=False) if result == UNREGISTERED else result == 1
