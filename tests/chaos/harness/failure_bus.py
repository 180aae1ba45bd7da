"""A bus with many dead letters and waiting retries: a few of real failures, most of them copies of those."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, Final

from redis.asyncio import Redis

from hookbus.shared.clock import now_ms
from hookbus.shared.valkey import Valkey
from hookbus.worker.api.delivery import InFlight
from hookbus.worker.pipeline import dead_letter
from hookbus.worker.pipeline.dead_letter import DeadLetterRecord
from hookbus.worker.pipeline.outcome import Cause, DeadLetter, Outcome, Park
from tests.chaos.harness import bulk_failures, locations
from tests.chaos.harness.sender import Sender
from tests.chaos.harness.stage import Stage
from tests.chaos.harness.supervised import Supervised
from tests.wait import until

DEAD_LETTERED: Final = "dead_lettered"
PARKED: Final = "parked"
GROUPS: Final = (DEAD_LETTERED, PARKED)
TYPES: Final = ("response.completed", "response.failed", "batch.completed", "batch.failed")
REASONS: Final = {"reject": "rejected", "raise": "attempts_exhausted", "number": "undecodable"}
"""How the broken handler fails (`repairable`) → the reason of the dead letter."""
BROKEN: Final = {"CHAOS_BROKEN": "yes"}
LATER_S: Final = 3600.0
CONCURRENCY: Final = 100
"""These three are equal to those in `repairable`, which only a worker can import."""
HOPELESS: Final = 101
"""One in so many becomes a dead letter again when it is redriven. Prime to 3 and 4, so that all types and ways of
failing have some."""
DEAD: Final = bulk_failures.KEYS.dead(DEAD_LETTERED)
DELAYED: Final = bulk_failures.KEYS.delayed(PARKED)


@dataclass(slots=True)
class FailureBus:
    """The programs and their failures: `kinds` has type and way of failing of each webhook-id."""

    stage: Stage
    server: Valkey
    client: Redis
    sender: Sender
    kinds: dict[str, tuple[str, str]] = field(default_factory=dict)
    few: int = 0
    """So many are real failures; they happened up to `few_until_ms`, before all others."""
    few_until_ms: int = 0

    async def worker(self, **environ: str) -> Supervised:
        """A worker of both groups."""
        targets = [f"tests.chaos.handlers.repairable:{group}" for group in GROUPS]
        return await self.stage.worker(self.server.url, *targets, **environ)

    async def count(self, key: str) -> int:
        """The size of a sorted set."""
        return int(await self.client.execute_command("ZCARD", key))

    def handled(self, *groups: str) -> int:
        """How many deliveries these groups, by default both, have handled, each counted once."""
        return sum(len(self.stage.ledger.handled(group)) for group in groups or GROUPS)

    def hopeless(self) -> set[str]:
        """Webhook-ids that the group of dead letters will never handle."""
        return {name for name in self.kinds if int(name.rpartition("_")[2]) % HOPELESS == 0}

    async def locations(self, group: str) -> locations.Locations:
        """The locations of a group's deliveries. Raises AssertionError unless each has exactly one."""
        fetched = await locations.fetch(self.client, group, TYPES)
        fetched.check(self.kinds, self.stage.ledger.handled(group))
        return fetched

    async def until_at_most(self, group: str, key: str, count: float) -> None:
        """Wait until a sorted set has at most `count` members, while other processes move them and none handles them.

        Raises AssertionError when one is lost or doubled meanwhile, even for a moment.
        """

        async def is_low() -> bool:
            total = await locations.total(self.client, group, TYPES)
            assert total == len(self.kinds), f"{group}: {total} of {len(self.kinds)} at one moment"
            return await self.count(key) <= count

        await until(is_low, timeout_s=60, what=f"{key} has at most {count:.0f} members")


def event(number: int) -> tuple[str, dict[str, Any]]:
    """Type and data of one event: every type fails in every way."""
    how = list(REASONS)[number % 3]
    data = {"how": how, "number": str(number) if how == "number" else number, "hopeless": number % HOPELESS == 0}
    return TYPES[number % 4], data


async def some_fail(bus: FailureBus, count: int) -> None:
    """A real worker makes real dead letters and real retries; then it is stopped."""
    worker = await bus.worker(**BROKEN)

    def make(number: int) -> dict[str, Any]:
        event_type, data = event(number)
        bus.kinds[f"wh_few_{number}"] = event_type, data["how"]
        return {"webhook_id": f"wh_few_{number}", "event_type": event_type} | data

    async def is_done() -> bool:
        return await bus.count(DEAD) == await bus.count(DELAYED) == count

    await bus.sender.burst(count, make)
    await until(is_done, timeout_s=60, what="all have failed")
    await worker.end()
    bus.few, bus.few_until_ms = count, now_ms()


async def many_more_fail(bus: FailureBus, count: int) -> None:
    """Add `count` more failures of the same causes."""
    records = await bus.client.execute_command("HVALS", bulk_failures.KEYS.dead_data(DEAD_LETTERED))
    causes = {kind_of(letter): outcome_of(letter) for letter in map(dead_letter.decode, records)}
    defer = Park(LATER_S, Cause("RetryLater", f"again in {LATER_S} s"))

    def dead_letters(in_flight: InFlight) -> Outcome:
        return causes[bus.kinds[in_flight.delivery.webhook_id]]

    def parks(_: InFlight) -> Outcome:
        return defer

    stored = await bulk_failures.store(bus.server.url, count, event)
    for number, (name, event_type) in enumerate(stored.items()):
        bus.stage.ledger.accept(name, event_type)
        bus.kinds[name] = event_type, event(number)[1]["how"]
    # Together, since one computes in Python while the other waits for Redis.
    await asyncio.gather(
        bulk_failures.settle(bus.client, DEAD_LETTERED, TYPES, dead_letters),
        bulk_failures.settle(bus.client, PARKED, TYPES, parks),
    )
    for group in GROUPS:
        await bus.locations(group)


def kind_of(letter: DeadLetterRecord) -> tuple[str, str]:
    """Type and way of failing of a real dead letter."""
    return letter.type, json.loads(letter.body)["data"]["how"]


def outcome_of(letter: DeadLetterRecord) -> DeadLetter:
    """The outcome that made it."""
    return DeadLetter(letter.reason, Cause(letter.error_class, letter.message, letter.traceback, letter.frame))
