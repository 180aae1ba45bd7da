"""Workers that only seem dead: stopped, stalled, or with a wrong clock."""

import itertools
import signal
from collections.abc import Sequence
from typing import Final

from hookbus.shared.valkey import Valkey
from tests import tools
from tests.chaos.harness.ledger import Ledger
from tests.chaos.harness.scenario import scenario
from tests.chaos.harness.stage import Stage
from tests.chaos.harness.supervised import Supervised
from tests.wait import until

HANDLERS: Final = "tests.chaos.handlers.slow"
TAKEOVER_S: Final = 15.0
"""G4."""


@scenario("frozen", "G4: a worker stopped for longer than its liveness key comes back and harms nothing")
async def a_worker_is_stopped_and_goes_on(stage: Stage) -> None:
    server = await stage.valkey()
    ingest = await stage.ingest(server.url)
    stage.ledger.expect("alpha")
    frozen = await stage.worker(server.url, "alpha")
    sender = await stage.sender(ingest)
    # In the frozen worker three will succeed late, three fail late, and three be rejected late.
    plans: list[list[str | float]] = [[1.5], ["fail later", "ok"], ["reject later"]]
    names = [await sender.send(do=plan) for plan in plans for _ in range(3)]
    await until(lambda: all(stage.ledger.entries("alpha", name) for name in names))
    frozen.signal(signal.SIGSTOP)
    claimant = await stage.worker(server.url, "alpha")
    await until(lambda: all(len(stage.ledger.entries("alpha", n)) > 1 for n in names), timeout_s=TAKEOVER_S + 10)
    await sender.burst(stage.scale(2_000, 200))
    await stage.until_accounted(server)
    frozen.signal(signal.SIGCONT)
    late = len(names) - 3
    await until(lambda: len(frozen.logged("outcome_discarded")) >= late, what="late outcomes are discarded")
    await sender.burst(100)
    await stage.until_accounted(server)
    assert frozen.deaths == claimant.deaths == 0
    attempts = {name: max(entry.attempt for entry in stage.ledger.entries("alpha", name)) for name in names}
    assert max(attempts.values()) <= 2, f"a late outcome used up an attempt: {attempts}"
    dead = stage.ledger.report().dead
    assert dead == 3, f"{dead} dead letters of three that were rejected"
    check_takeover(stage.ledger)


@scenario(
    "stalled", "G4: a handler that blocks the event loop keeps its deliveries up to a limit, then loses them once"
)
async def the_event_loop_is_blocked(stage: Stage) -> None:
    server = await stage.valkey()
    ingest = await stage.ingest(server.url)
    stage.ledger.expect("blocking")
    # With a timeout of 2 s a loop counts as dead once it has stalled for 12 s; the liveness key lasts 10 s.
    environ = {"HOOKBUS_WORKER_HANDLER_TIMEOUT_S": "2"}
    first = await stage.worker(server.url, f"{HANDLERS}:blocking", **environ)
    sender = await stage.sender(ingest)
    within = await sender.send(do=[stage.scale(11.0, 3.0)])
    await until(lambda: stage.ledger.entries("blocking", within))
    second = await stage.worker(server.url, f"{HANDLERS}:blocking", **environ)
    await stage.until_accounted(server)
    entries = stage.ledger.entries("blocking", within)
    assert {entry.pid for entry in entries} == {first.pid}, f"taken from a live worker: {entries}"
    if not stage.is_short:
        beyond = await sender.send(do=[30.0])
        await until(lambda: stage.ledger.entries("blocking", beyond))
        await stage.until_accounted(server, timeout_s=120)
        began = [entry for entry in stage.ledger.entries("blocking", beyond) if entry.what == "began"]
        stage.ledger.facts["starts beyond the limit"] = str(len(began))
        assert len(began) <= 2 + MAX_ATTEMPTS, f"begun {len(began)} times"
        stalled = [line for supervised in (first, second) for line in supervised.logged("loop_stalled")]
        assert stalled, "no stall was logged"
    assert first.deaths == second.deaths == 0


MAX_ATTEMPTS: Final = 2
"""Of `tests.chaos.handlers.slow.blocking`."""


@scenario("clocks", "G6: a worker whose clock is an hour off retries neither early nor late, and nothing expires")
async def clocks_are_an_hour_off(stage: Stage) -> None:
    tools.find("faketime")
    server = await stage.valkey()
    ingest = await stage.ingest(server.url)
    stage.ledger.expect("punctual")
    workers = [await on_a_clock(stage, server, offset) for offset in ("+3600", "-3600", "+0")]
    sender = await stage.sender(ingest)
    count = stage.scale(600, 60)
    await sender.burst(count, lambda number: {"do": ["fail", "fail", "ok"] if number % 2 else ["ok"]})
    await stage.until_accounted(server)
    report = stage.ledger.report()
    assert report.dead == 0, f"{report.dead} expired"
    waits = waits_s(stage.ledger)
    assert len({entry.pid for name in stage.ledger.accepted for entry in stage.ledger.entries("punctual", name)}) == 3
    stage.ledger.facts["retried after"] = f"{min(waits):.2f} to {max(waits):.2f} s"
    assert min(waits) >= 1.0, f"a retry came after {min(waits):.2f} s, a step is 1 s"
    assert max(waits) < 5.0, f"a retry came after {max(waits):.2f} s, a step is 1 to 1.25 s"
    assert not any(worker.deaths for worker in workers)


async def on_a_clock(stage: Stage, server: Valkey, offset: str) -> Supervised:
    """A worker whose wall clock is `offset` seconds off."""
    environ = {"LD_PRELOAD": tools.find("faketime"), "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return await stage.worker(server.url, f"{HANDLERS}:punctual", **environ)


def waits_s(ledger: Ledger) -> Sequence[float]:
    """Seconds between the attempts of each delivery."""
    starts = [
        [entry for entry in ledger.entries("punctual", name) if entry.what == "began"] for name in ledger.accepted
    ]
    return [later.at_s - sooner.at_s for entries in starts for sooner, later in itertools.pairwise(entries)]


def check_takeover(ledger: Ledger) -> None:
    """Raises AssertionError unless deliveries were taken over, and each in time."""
    longest_s = ledger.report().max_takeover_s
    assert longest_s is not None, "nothing was taken over"
    assert longest_s < TAKEOVER_S, f"a takeover took {longest_s:.1f} s"
