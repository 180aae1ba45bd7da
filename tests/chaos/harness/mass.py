"""A bus in which dead letters and retries pile up: some of real failures, the many as copies of those."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, Final

from redis.asyncio import Redis

from deploy.local.valkey import Valkey
from hookbus.shared.clock import now_ms
from hookbus.worker.api.delivery import InFlight
from hookbus.worker.pipeline import dead_letter
from hookbus.worker.pipeline.dead_letter import DeadLetterRecord
from hookbus.worker.pipeline.outcome import Cause, DeadLetter, Outcome, Park
from tests.chaos.harness import pile, places
from tests.chaos.harness.kept import Kept
from tests.chaos.harness.sender import Sender
from tests.chaos.harness.stage import Stage
from tests.wait import until

BURIED: Final = "buried"
PARKED: Final = "parked"
GROUPS: Final = (BURIED, PARKED)
TYPES: Final = ("response.completed", "response.failed", "batch.completed", "batch.failed")
REASONS: Final = {"reject": "rejected", "raise": "attempts_exhausted", "number": "undecodable"}
"""How the broken handler fails (`mended`) → the reason of the dead letter."""
BROKEN: Final = {"CHAOS_BROKEN": "yes"}
LATER_S: Final = 3600.0
CONCURRENCY: Final = 100
"""All three as in `mended`, which only a worker can import."""
HOPELESS: Final = 101
"""One in so many dies again when it is redriven. Of all types, and so among old and young: prime to 3 and 4."""
DEAD: Final = pile.KEYS.dead(BURIED)
DELAYED: Final = pile.KEYS.delayed(PARKED)


@dataclass(slots=True)
class Mass:
    """What runs, and what piled up: `kinds` says type and way of failing of each webhook-id."""

    stage: Stage
    server: Valkey
    client: Redis
    sender: Sender
    kinds: dict[str, tuple[str, str]] = field(default_factory=dict)
    few: int = 0
    """So many failed for real, up to `few_until_ms`, and before all others."""
    few_until_ms: int = 0

    async def worker(self, **environ: str) -> Kept:
        """A worker of both groups."""
        targets = [f"tests.chaos.handlers.mended:{group}" for group in GROUPS]
        return await self.stage.worker(self.server.url, *targets, **environ)

    async def count(self, key: str) -> int:
        """How many are in a sorted set."""
        return int(await self.client.execute_command("ZCARD", key))

    def handled(self, *groups: str) -> int:
        """How many deliveries these groups handled, or both, each counted once."""
        return sum(len(self.stage.ledger.handled(group)) for group in groups or GROUPS)

    def hopeless(self) -> set[str]:
        """What will never be handled by the group that buries."""
        return {name for name in self.kinds if int(name.rpartition("_")[2]) % HOPELESS == 0}

    async def places(self, group: str) -> places.Places:
        """Where the deliveries of a group are. Raises AssertionError unless each is in exactly one place."""
        found = await places.fetch(self.client, group, TYPES)
        found.check(self.kinds, self.stage.ledger.handled(group))
        return found

    async def sinks(self, group: str, key: str, to: float) -> None:
        """Wait until no more than so many are in a sorted set, while others move them and nobody handles them.

        Raises AssertionError when one is lost or doubled meanwhile, be it for a moment.
        """

        async def is_low() -> bool:
            found = await places.total(self.client, group, TYPES)
            assert found == len(self.kinds), f"{group}: {found} of {len(self.kinds)} at one moment"
            return await self.count(key) <= to

        await until(is_low, timeout_s=60, what=f"{key} sinks to {to:.0f}")


def event(number: int) -> tuple[str, dict[str, Any]]:
    """Type and data of one: every type fails in every way."""
    how = list(REASONS)[number % 3]
    told = {"how": how, "number": str(number) if how == "number" else number, "hopeless": number % HOPELESS == 0}
    return TYPES[number % 4], told


async def some_fail(mass: Mass, count: int) -> None:
    """A real worker makes real dead letters and real retries, until it is stopped."""
    worker = await mass.worker(**BROKEN)

    def make(number: int) -> dict[str, Any]:
        event_type, data = event(number)
        mass.kinds[f"wh_few_{number}"] = event_type, data["how"]
        return {"webhook_id": f"wh_few_{number}", "event_type": event_type} | data

    async def is_done() -> bool:
        return await mass.count(DEAD) == await mass.count(DELAYED) == count

    await mass.sender.burst(count, make)
    await until(is_done, timeout_s=60, what="all have failed")
    await worker.end()
    mass.few, mass.few_until_ms = count, now_ms()


async def many_more_fail(mass: Mass, count: int) -> None:
    """As many more, of the same causes."""
    records = await mass.client.execute_command("HVALS", pile.KEYS.dead_data(BURIED))
    causes = {kind_of(found): bury(found) for found in map(dead_letter.decode, records)}
    defer = Park(LATER_S, Cause("RetryLater", f"again in {LATER_S} s"))

    def dies(in_flight: InFlight) -> Outcome:
        return causes[mass.kinds[in_flight.delivery.webhook_id]]

    def waits(_: InFlight) -> Outcome:
        return defer

    stored = await pile.store(mass.server.url, count, event)
    for number, (name, event_type) in enumerate(stored.items()):
        mass.stage.ledger.accept(name, event_type)
        mass.kinds[name] = event_type, event(number)[1]["how"]
    # Together, since one is in Python while the other is in Redis.
    await asyncio.gather(
        pile.settle(mass.client, BURIED, TYPES, dies),
        pile.settle(mass.client, PARKED, TYPES, waits),
    )
    for group in GROUPS:
        await mass.places(group)


def kind_of(found: DeadLetterRecord) -> tuple[str, str]:
    """Type and way of failing of a real dead letter."""
    return found.type, json.loads(found.body)["data"]["how"]


def bury(found: DeadLetterRecord) -> DeadLetter:
    """The outcome that made it."""
    return DeadLetter(found.reason, Cause(found.error_class, found.message, found.traceback, found.frame))
