"""Masses of dead letters and of retries that wait: each is in exactly one place, whoever is killed while moving them,
and nothing gets slow because of them.
"""

import asyncio
import time
from collections import Counter
from typing import Any, Final

from hookbus.shared import output
from hookbus.shared.connection import connect
from hookbus.worker.dlq.bulk import BATCH
from hookbus.worker.inventory import pauses
from tests.chaos.harness import places, tool
from tests.chaos.harness.mass import (
    BURIED,
    CONCURRENCY,
    DEAD,
    DELAYED,
    GROUPS,
    PARKED,
    REASONS,
    TYPES,
    Mass,
    many_more_fail,
    some_fail,
)
from tests.chaos.harness.pile import KEYS
from tests.chaos.harness.scenario import scenario
from tests.chaos.harness.stage import Stage
from tests.programs import Program
from tests.wait import until

SLOWER: Final = 2.0
"""How much longer anything may take because of the mass. All is found by ranges and ranks, so in truth nothing at all;
this leaves room for what else the machine does."""
FLOOR_S: Final = 0.5
"""Added to that: on a busy machine the start of a Python process alone may cost so much."""
BUSY_S: Final = 3.0
"""The same for fresh events, which are timed by the clock: they wait for three programs, and others for all of them."""
MORE_BYTES: Final = 16 * 1024 * 1024
"""How much more memory a tool may take; all 200,000 letters at once would take 200 MB."""
REPLY_TIMEOUT_S: Final = 30.0
"""Our own looks ask for all that is there in one reply."""


@scenario(
    "masses", "G2, G6: 200,000 dead letters, 200,000 retries: each is in exactly one place, and nothing gets slow"
)
async def masses_pile_up(stage: Stage) -> None:
    server = await stage.valkey()
    ingest = await stage.ingest(server.url)
    for group in GROUPS:
        stage.ledger.expect(group)
    async with connect(server.url, "chaos", reply_timeout_s=REPLY_TIMEOUT_S, connections=4) as client:
        mass = Mass(stage, server, client, await stage.sender(ingest))
        alone_s = 0.0 if stage.is_short else await pace_s(mass)
        few = stage.scale(2000, 300)
        await some_fail(mass, few)
        alone = await tool.told(server.url, "dlq", "list", "--json")
        await many_more_fail(mass, stage.scale(200_000, 2000) - few)
        await look_around(mass, alone)
        await check_pace(mass, alone_s)
        await promoters_are_killed(mass)
        await redrives_are_killed(mass)
        await all_go_round(mass, alone)


async def pace_s(mass: Mass) -> float:
    """Seconds until some fresh events were sent, and handled by both groups."""
    worker, count, before = await mass.worker(), 3000, mass.handled()
    began_at = time.monotonic()
    await mass.sender.burst(count, lambda number: {"how": "raise", "number": number})
    await until(lambda: mass.handled() == before + count * len(GROUPS), timeout_s=60, what="fresh events are handled")
    took_s = time.monotonic() - began_at
    await worker.end()
    return took_s


async def check_pace(mass: Mass, alone_s: float) -> None:
    """Fresh events are handled as if there was no mass; in the short form there is none."""
    if mass.stage.is_short:
        return
    beside_s = await pace_s(mass)
    mass.stage.ledger.facts["fresh events"] = f"{alone_s:.1f} s alone, {beside_s:.1f} s beside"
    assert beside_s <= SLOWER * alone_s + BUSY_S, f"fresh events took {beside_s:.1f} s, alone {alone_s:.1f} s"


async def look_around(mass: Mass, alone: tool.Answer) -> None:
    """Every look at the dead letters is right, as quick as at few, and takes no more memory."""
    kinds = Counter(mass.kinds.values())
    rows = (await told_quickly(mass, alone, "dlq", "groups", "--json")).objects()
    counted = {(row["type"], row["reason"]): row["count"] for row in rows}
    assert counted == {(kind, REASONS[how]): count for (kind, how), count in kinds.items()}, counted
    looks: dict[tuple[str, ...], int] = {
        (): len(mass.kinds),
        ("--group", BURIED): len(mass.kinds),
        ("--type", "batch.*"): sum(count for (kind, _), count in kinds.items() if kind.startswith("batch.")),
        ("--reason", "rejected"): sum(count for (_, how), count in kinds.items() if how == "reject"),
        ("--fingerprint", rows[0]["fingerprint"]): rows[0]["count"],
        ("--since", moment(mass.few_until_ms + 1)): len(mass.kinds) - mass.few,
        ("--until", moment(mass.few_until_ms)): mass.few,
        ("--id", "wh_few_7"): 1,
    }
    slowest_s = 0.0
    for options in mass.stage.rng.sample(list(looks), mass.stage.scale(len(looks), 1)):
        expected = looks[options]
        answer = await told_quickly(mass, alone, "dlq", "list", "--json", *options)
        assert total(answer) == expected, f"{options}: {total(answer)} instead of {expected}"
        slowest_s = max(slowest_s, answer.busy_s)
    if not mass.stage.is_short:
        await told_quickly(mass, alone, "status")
    mass.stage.ledger.facts["list"] = f"{alone.busy_s:.1f} s of few, {slowest_s:.1f} s of all"


async def told_quickly(mass: Mass, alone: tool.Answer, *arguments: str) -> tool.Answer:
    """Ask a tool, and see what that cost. Time of processors is what counts: others use the machine too."""
    answer = await tool.told(mass.server.url, *arguments)
    max_s = SLOWER * alone.busy_s + FLOOR_S
    cost = f"took {answer.busy_s:.1f} s of processors, a list of few {alone.busy_s:.1f}"
    assert answer.busy_s <= max_s, f"{' '.join(arguments)} {cost}"
    check_memory(answer, alone, " ".join(arguments))
    return answer


def check_memory(answer: tool.Answer, alone: tool.Answer, what: str) -> None:
    """A tool holds a page or a batch, never all."""
    most = alone.peak_bytes + MORE_BYTES
    assert answer.peak_bytes <= most, f"{what} held {answer.peak_bytes:,} bytes, a list of few {alone.peak_bytes:,}"


def moment(unix_ms: int) -> str:
    """A time as the tools take it."""
    return output.moment(unix_ms).replace(" ", "T")


def total(answer: tool.Answer) -> int:
    """How many letters `dlq list` found: those that it printed, and how many more it says that there are."""
    _, _, more = answer.err.partition(" shown, ")
    return len(answer.objects()) + int((more.split() or ["0"])[0].replace(",", ""))


async def promoters_are_killed(mass: Mass) -> None:
    """All retries become due at once, and whoever promotes them is killed. A pause keeps them from being handled."""
    await pauses.write(mass.client, [KEYS], PARKED, pauses.ALL)
    worker = await mass.worker()
    # As if an hour had gone by.
    await mass.client.execute_command("ZUNIONSTORE", DELAYED, 1, DELAYED, "WEIGHTS", 0)
    before, kills = len(mass.kinds), mass.stage.scale(2, 1)
    for number in range(kills):
        worker = await mass.worker() if number else worker
        await mass.sinks(PARKED, DELAYED, before * mass.stage.rng.uniform(0.4, 0.9))
        await worker.kill()
        before = (await mass.places(PARKED)).parked.total()
    mass.stage.ledger.facts["promoted"] = f"{len(mass.kinds) - before:,} by {kills} killed"


async def redrives_are_killed(mass: Mass) -> None:
    """A bulk redrive is killed, and the next one too, while no worker runs. The first one has a rate, and keeps it."""
    kills, rate = mass.stage.scale(4, 2), mass.stage.scale(8000, 600)
    dead = len(mass.kinds)
    for number in range(kills):
        rated, share = (), mass.stage.rng.uniform(0.02, 0.25)
        if number == 0:  # so many that without a rate they would go sooner
            rated, share = ("--rate", str(rate)), mass.stage.scale(0.1, 0.4)
        command = ("hookbus-worker", "dlq", "redrive", "--group", BURIED, *rated)
        with Program(*command, redis_url=mass.server.url) as redrive:
            await mass.sinks(BURIED, DEAD, dead - 1)
            began_at = time.monotonic()
            await mass.sinks(BURIED, DEAD, dead * (1 - share))
            redrive.process.kill()
            redrive.process.wait()
        # One batch before we saw the first letter go, and one since we last looked.
        most = rate * (time.monotonic() - began_at) + 2 * BATCH
        before, dead = dead, (await mass.places(BURIED)).dead.total()
        assert not rated or before - dead <= most, f"{before - dead} redriven where the rate allows {most:.0f}"
    mass.stage.ledger.facts["redriven"] = f"{len(mass.kinds) - dead:,} by {kills} killed"


async def all_go_round(mass: Mass, alone: tool.Answer) -> None:
    """The rest is redriven, and all are handled, while workers are killed; the hopeless die again, and stay dead."""
    await pauses.erase(mass.client, [KEYS], PARKED, pauses.ALL)
    workers = await asyncio.gather(*(mass.worker() for _ in range(2)))
    # A letter that is on its way to Redis when the redrive begins would belong to it, but is not counted yet.
    await until(lambda: is_settled(mass), timeout_s=120, what="what was redriven before is handled, or dead again")
    # Slow enough, in the short form, that some die again before it ends.
    rated = ("--rate", "300") if mass.stage.is_short else ()
    dead, before = await mass.count(DEAD), mass.handled(BURIED)
    redriving = asyncio.create_task(
        tool.told(mass.server.url, "dlq", "redrive", "--group", BURIED, *rated, "--json"),
    )
    kills = mass.stage.scale(3, 1)
    for number in range(kills):
        goal = before + dead * (2 * number + 1) / (2 * kills + 1)
        await until(lambda goal=goal: mass.handled(BURIED) >= goal, timeout_s=120, what=f"{goal:.0f} are handled")
        (await mass.stage.rng.choice(workers).ready()).signal()
    redriven = await redriving
    expected = {"dry_run": False, "matching": dead, "redriven": dead, "gone": 0, "left_out": 0, "interrupted": False}
    assert redriven.objects() == [expected], f"of {dead} that were dead: {redriven.out}"
    check_memory(redriven, alone, "the redrive")
    await mass.stage.accounted(mass.server, timeout_s=200)
    await check_end(mass, kills)


async def is_settled(mass: Mass) -> bool:
    """Whether none that was redriven is waiting or in hand."""
    return await places.total(mass.client, BURIED, TYPES) == await mass.count(DEAD)


async def check_end(mass: Mass, kills: int) -> None:
    """Only the hopeless are left, and little was handled twice."""
    buried, parked = [await mass.places(group) for group in GROUPS]
    hopeless = mass.hopeless()
    assert buried.dead.keys() == hopeless, f"{buried}, but {len(hopeless)} are hopeless"
    assert not buried.redelivery, f"{buried}"
    assert not parked.dead + parked.parked + parked.redelivery, f"{parked}"
    # What a worker may have had in hand: as many outcomes may be unwritten as run.
    most = kills * len(GROUPS) * 2 * CONCURRENCY
    duplicates = mass.stage.ledger.report().duplicates
    assert duplicates <= most, f"{duplicates} handled twice after {kills} kills"
    strange: Any = mass.stage.ledger.strangers()
    assert not strange, f"handled though nobody sent them: {strange}"
