"""Publishes what runs in this process, for people: every two seconds, by the liveness thread, after a renewal.

The thread reads what the event loop writes, without a lock: so it shows what runs while a handler blocks the loop, and
deliveries pay nothing. Best effort: Redis may refuse it, and a process that publishes nothing works all the same.
Costs Redis one SET every two seconds and one INFO every ten.
"""

import contextlib
import heapq
import time
from collections.abc import Collection
from typing import Final

import redis as sync_redis
from redis.exceptions import ResponseError

from ...shared import clock, log
from ...shared.connection import FAULTS, refusal_code
from ...shared.keys import HOME
from ..api.delivery import InFlight
from ..inventory import running
from ..inventory.running import LONGEST, MAX_SLOTS, NAME_CHARS, SHOWN_S, Running, RunningDelivery, SlotsInUse
from ..pipeline.subscriber import Subscriber
from .heartbeat import TTL_S
from .room import Room

TTL_MS: Final = round(TTL_S * 1000)


class RunningNow:
    """What the subscribers of one process run."""

    def __init__(self, consumer: str, subscribers: Collection[Subscriber]) -> None:
        self.room = Room()
        self._key = HOME.running(consumer)
        self._subscribers = subscribers
        self._is_refused = False

    def publish(self, client: sync_redis.Redis) -> None:
        """Publish it, unless Redis is nearly full. Raises nothing: the liveness does not depend on it."""
        try:
            self.room.ask(client)
            if self.room.is_left:
                client.set(self._key, running.encode(self.look()), px=TTL_MS)
            self._is_refused = False
        except Exception as error:  # noqa: BLE001 - a bug here would end the thread, and so the process
            self._report(error)

    def _report(self, error: Exception) -> None:
        """Log the first of some refusals in a row. A lost connection is reported by the next renewal."""
        is_unreachable = isinstance(error, FAULTS) and not isinstance(error, ResponseError)
        if not self._is_refused and not is_unreachable and refusal_code(error) != "OOM":
            self._is_refused = True
            effect = "hookbus-worker processes does not show what runs here; nothing else changes"
            log.get("worker.heartbeat").warning("not_registered", reason=str(error), effect=effect)

    def look(self) -> Running:
        """What runs now. May be called from any thread."""
        now_s, now_ms = time.monotonic(), clock.now_ms()
        slots: list[SlotsInUse] = []
        longest: list[tuple[float, RunningDelivery]] = []
        for subscriber in self._subscribers:
            used, overdue, route = subscriber.slots.running, subscriber.overdue(), subscriber.route
            if not used and not overdue:
                continue
            slots.append(SlotsInUse(route.group, route.pattern, used, route.concurrency, overdue))
            for each, began_s in _oldest(subscriber):
                delivery = each.delivery
                if now_s - began_s >= SHOWN_S:
                    since_ms = now_ms - round((now_s - began_s) * 1000)
                    named = delivery.type, delivery.webhook_id[:NAME_CHARS]
                    shown = RunningDelivery(route.group, route.pattern, *named, since_ms, delivery.attempt)
                    longest.append((began_s, shown))
        first = heapq.nsmallest(LONGEST, longest, key=lambda one: one[0])
        busiest = heapq.nlargest(MAX_SLOTS, slots, key=lambda one: one.running + one.overdue)
        return Running(now_ms, tuple(busiest), tuple(shown for _, shown in first))


def _oldest(subscriber: Subscriber) -> list[tuple[InFlight, float]]:
    with contextlib.suppress(RuntimeError):  # the loop changed it in the middle; it runs again in two seconds
        return subscriber.oldest(LONGEST)
    return []
