"""Masses of dead letters and waiting retries: each delivery has exactly one location, also when the process that moves
them is killed, and they slow nothing down.
"""

import asyncio
import time
from collections import Counter
from typing import Any, Final

from hookbus.shared import output
from hookbus.shared.connection import connect
from hookbus.worker.dlq.bulk import BATCH
from hookbus.worker.inventory import pauses
from tests.chaos.harness import locations, tool
from tests.chaos.harness.bulk_failures import KEYS
from tests.chaos.harness.failure_bus import (
    CONCURRENCY,
    DEAD,
    DEAD_LETTERED,
    DELAYED,
    GROUPS,
    PARKED,
    REASONS,
    TYPES,
    FailureBus,
    many_more_fail,
    some_fail,
)
from tests.chaos.harness.scenario import scenario
from tests.chaos.harness.stage import Stage
from tests.programs import Program
from tests.wait import until

SLOWER: Final = 2.0
"""How much longer anything may take because of the mass. All queries use ranges and ranks, so they should take no
longer; this leaves room for other load of the machine."""
FLOOR_S: Final = 0.5
"""Added to that: on a busy machine the start of a Python process alone may take so long."""
BUSY_S: Final = 3.0
"""The same for fresh events, which are timed by the wall clock: they wait for three programs on a shared machine."""
MORE_BYTES: Final = 16 * 1024 * 1024
"""How much more memory a command may take; all 200,000 letters at once would take 200 MB."""
SHOWN: Final = 50
"""Letters that `dlq list` shows by default."""
REPLY_TIMEOUT_S: Final = 30.0
"""The checks of the test fetch everything in one reply."""


@scenario(
    "masses", "G2, G6: 200,000 dead letters, 200,000 retries: each has exactly one location, and nothing gets slow"
)
async def masses_of_failures(stage: Stage) -> None:
    server = await stage.valkey()
    ingest = await stage.ingest(server.url)
    for group in GROUPS:
        stage.ledger.expect(group)
    async with connect(server.url, "chaos", reply_timeout_s=REPLY_TIMEOUT_S, connections=4) as client:
        bus = FailureBus(stage, server, client, await stage.sender(ingest))
        alone_s = 0.0 if stage.is_short else await pace_s(bus)
        few = stage.scale(2000, 300)
        await some_fail(bus, few)
        alone = await tool.run_ok(server.url, "dlq", "list", "--json")
        await many_more_fail(bus, stage.scale(200_000, 2000) - few)
        await queries_are_quick(bus, alone)
        await check_pace(bus, alone_s)
        await promoters_are_killed(bus)
        await redrives_are_killed(bus)
        await all_are_redriven(bus, alone)


async def pace_s(bus: FailureBus) -> float:
    """Seconds until fresh events were sent, and handled by both groups."""
    worker, count, before = await bus.worker(), 3000, bus.handled()
    began_at = time.monotonic()
    await bus.sender.burst(count, lambda number: {"how": "raise", "number": number})
    await until(lambda: bus.handled() == before + count * len(GROUPS), timeout_s=60, what="fresh events are handled")
    took_s = time.monotonic() - began_at
    await worker.end()
    return took_s


async def check_pace(bus: FailureBus, alone_s: float) -> None:
    """Fresh events are handled as fast as without the mass. Not in the short form, which has no mass."""
    if bus.stage.is_short:
        return
    beside_s = await pace_s(bus)
    bus.stage.ledger.facts["fresh events"] = f"{alone_s:.1f} s alone, {beside_s:.1f} s beside"
    assert beside_s <= SLOWER * alone_s + BUSY_S, f"fresh events took {beside_s:.1f} s, alone {alone_s:.1f} s"


async def queries_are_quick(bus: FailureBus, alone: tool.Answer) -> None:
    """Every query of the dead letters is right, as quick as with few letters, and takes no more memory."""
    kinds = Counter(bus.kinds.values())
    rows = (await run_quickly(bus, alone, "dlq", "groups", "--json")).objects()
    counted = {(row["type"], row["reason"]): row["count"] for row in rows}
    assert counted == {(kind, REASONS[how]): count for (kind, how), count in kinds.items()}, counted
    queries: dict[tuple[str, ...], int] = {
        (): len(bus.kinds),
        ("--group", DEAD_LETTERED): len(bus.kinds),
        ("--type", "batch.*"): sum(count for (kind, _), count in kinds.items() if kind.startswith("batch.")),
        ("--reason", "rejected"): sum(count for (_, how), count in kinds.items() if how == "reject"),
        ("--fingerprint", rows[0]["fingerprint"]): rows[0]["count"],
        ("--since", moment(bus.few_until_ms + 1)): len(bus.kinds) - bus.few,
        ("--until", moment(bus.few_until_ms)): bus.few,
        ("--id", "wh_few_7"): 1,
    }
    slowest_s = 0.0
    for options in bus.stage.rng.sample(list(queries), bus.stage.scale(len(queries), 1)):
        expected = queries[options]
        answer = await run_quickly(bus, alone, "dlq", "list", "--json", *options)
        slowest_s = max(slowest_s, answer.busy_s)
        shown = len(answer.objects())
        assert shown == min(expected, SHOWN), f"{options}: {shown} of {expected} listed"
        if options[:1] == ("--id",):
            continue  # one letter has one cause: `dlq groups` takes no names
        causes = (await run_quickly(bus, alone, "dlq", "groups", "--json", *options)).objects()
        total = sum(cause["count"] for cause in causes)
        assert total == expected, f"{options}: {total} instead of {expected}"
    if not bus.stage.is_short:
        await run_quickly(bus, alone, "status")
    bus.stage.ledger.facts["list"] = f"{alone.busy_s:.1f} s of few, {slowest_s:.1f} s of all"


async def run_quickly(bus: FailureBus, alone: tool.Answer, *arguments: str) -> tool.Answer:
    """Run a command, and check its cost. Processor time counts, since other processes use the machine too."""
    answer = await tool.run_ok(bus.server.url, *arguments)
    max_s = SLOWER * alone.busy_s + FLOOR_S
    cost = f"took {answer.busy_s:.1f} s of processors, a list of few {alone.busy_s:.1f}"
    assert answer.busy_s <= max_s, f"{' '.join(arguments)} {cost}"
    check_memory(answer, alone, " ".join(arguments))
    return answer


def check_memory(answer: tool.Answer, alone: tool.Answer, what: str) -> None:
    """A command holds a page or a batch, never all letters."""
    max_bytes = alone.peak_bytes + MORE_BYTES
    assert answer.peak_bytes <= max_bytes, (
        f"{what} held {answer.peak_bytes:,} bytes, a list of few {alone.peak_bytes:,}"
    )


def moment(unix_ms: int) -> str:
    """A time in the form of the command line."""
    return output.moment(unix_ms).replace(" ", "T")


async def promoters_are_killed(bus: FailureBus) -> None:
    """All retries become due at once, and the worker that promotes them is killed. A pause prevents their handling."""
    await pauses.write(bus.client, [KEYS], PARKED, pauses.ALL)
    worker = await bus.worker()
    # As if an hour had passed.
    await bus.client.execute_command("ZUNIONSTORE", DELAYED, 1, DELAYED, "WEIGHTS", 0)
    await bus.client.execute_command("ZADD", KEYS.due, 0, PARKED)
    before, kills = len(bus.kinds), bus.stage.scale(2, 1)
    for number in range(kills):
        worker = await bus.worker() if number else worker
        await bus.until_at_most(PARKED, DELAYED, before * bus.stage.rng.uniform(0.4, 0.9))
        await worker.kill()
        before = (await bus.locations(PARKED)).parked.total()
    bus.stage.ledger.facts["promoted"] = f"{len(bus.kinds) - before:,} by {kills} killed"


async def begins_at(bus: FailureBus, dead: int) -> float:
    """When all dead letters were last seen, by time.monotonic(): a busy machine sees the first move late."""
    moments = [time.monotonic()]

    async def has_begun() -> bool:
        asked_at = time.monotonic()
        if await bus.count(DEAD) < dead:
            return True
        moments.append(asked_at)
        return False

    await until(has_begun, timeout_s=60, what="a redrive moves its first letters")
    return moments[-1]


async def redrives_are_killed(bus: FailureBus) -> None:
    """Bulk redrives are killed one after the other, while no worker runs. The first one has a rate, and keeps it."""
    kills, rate = bus.stage.scale(4, 2), bus.stage.scale(8000, 600)
    dead = len(bus.kinds)
    for number in range(kills):
        rated, share = (), bus.stage.rng.uniform(0.02, 0.25)
        if number == 0:  # so many that without a rate they would be redriven sooner
            rated, share = ("--rate", str(rate)), bus.stage.scale(0.1, 0.4)
        command = ("hookbus-worker", "dlq", "redrive", "--group", DEAD_LETTERED, *rated)
        with Program(*command, redis_url=bus.server.url) as redrive:
            began_at = await begins_at(bus, dead)
            await bus.until_at_most(DEAD_LETTERED, DEAD, dead * (1 - share))
            redrive.process.kill()
            redrive.process.wait()
        # One batch before the first was seen, and one since the last.
        max_redriven = rate * (time.monotonic() - began_at) + 2 * BATCH
        before, dead = dead, (await bus.locations(DEAD_LETTERED)).dead.total()
        assert not rated or before - dead <= max_redriven, (
            f"{before - dead} redriven where the rate allows {max_redriven:.0f}"
        )
    bus.stage.ledger.facts["redriven"] = f"{len(bus.kinds) - dead:,} by {kills} killed"


async def all_are_redriven(bus: FailureBus, alone: tool.Answer) -> None:
    """The rest is redriven and handled while workers are killed; hopeless ones become dead letters again, and stay."""
    await pauses.erase(bus.client, [KEYS], PARKED, pauses.ALL)
    workers = await asyncio.gather(*(bus.worker() for _ in range(2)))
    # A letter that is on its way to Redis when the redrive begins would be part of it, but is not counted yet.
    await until(lambda: is_settled(bus), timeout_s=120, what="earlier redriven deliveries are handled, or dead again")
    # In the short form so slow that some become dead letters again before it ends.
    rated = ("--rate", "300") if bus.stage.is_short else ()
    dead, before = await bus.count(DEAD), bus.handled(DEAD_LETTERED)
    redriving = asyncio.create_task(
        tool.run_ok(bus.server.url, "dlq", "redrive", "--group", DEAD_LETTERED, *rated, "--json"),
    )
    kills = bus.stage.scale(3, 1)
    for number in range(kills):
        goal = before + dead * (2 * number + 1) / (2 * kills + 1)
        await until(lambda goal=goal: bus.handled(DEAD_LETTERED) >= goal, timeout_s=120, what=f"{goal:.0f} are handled")
        (await bus.stage.rng.choice(workers).ready()).signal()
    redriven = await redriving
    expected = {"dry_run": False, "matching": dead, "redriven": dead, "gone": 0, "left_out": 0, "interrupted": False}
    [done] = redriven.objects()
    del done["hindrances"]  # that no worker is alive, if both were killed at that moment
    assert done == expected, f"of {dead} that were dead: {redriven.out}"
    check_memory(redriven, alone, "the redrive")
    await bus.stage.until_accounted(bus.server, timeout_s=200)
    await check_end(bus, kills)


async def is_settled(bus: FailureBus) -> bool:
    """Whether no redriven delivery waits or is in flight."""
    return await locations.total(bus.client, DEAD_LETTERED, TYPES) == await bus.count(DEAD)


async def check_end(bus: FailureBus, kills: int) -> None:
    """Only hopeless letters are left, and few deliveries were handled twice."""
    dead_lettered, parked = [await bus.locations(group) for group in GROUPS]
    hopeless = bus.hopeless()
    assert dead_lettered.dead.keys() == hopeless, f"{dead_lettered}, but {len(hopeless)} are hopeless"
    assert not dead_lettered.redelivery, f"{dead_lettered}"
    assert not parked.dead + parked.parked + parked.redelivery, f"{parked}"
    # A worker may have had so many in flight: as many unwritten outcomes as running handlers.
    max_duplicates = kills * len(GROUPS) * 2 * CONCURRENCY
    duplicates = bus.stage.ledger.report().duplicates
    assert duplicates <= max_duplicates, f"{duplicates} handled twice after {kills} kills"
    unaccepted: Any = bus.stage.ledger.unaccepted()
    assert not unaccepted, f"handled although never accepted: {unaccepted}"
