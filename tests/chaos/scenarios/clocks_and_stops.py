"""Workers that are not dead but seem so: stopped, stuck, or on a clock of their own."""

import itertools
import signal
from collections.abc import Sequence
from typing import Final

from deploy.local.valkey import Valkey
from tests import tools
from tests.chaos.harness.kept import Kept
from tests.chaos.harness.ledger import Ledger
from tests.chaos.harness.scenario import scenario
from tests.chaos.harness.stage import Stage
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
    # Three that will succeed late, three that will fail late, three that will be rejected late, in the frozen one.
    plans: list[list[str | float]] = [[1.5], ["fail later", "ok"], ["reject later"]]
    names = [await sender.send(do=plan) for plan in plans for _ in range(3)]
    await until(lambda: all(stage.ledger.notes("alpha", name) for name in names))
    frozen.signal(signal.SIGSTOP)
    heir = await stage.worker(server.url, "alpha")
    await until(lambda: all(len(stage.ledger.notes("alpha", n)) > 1 for n in names), timeout_s=TAKEOVER_S + 10)
    await sender.burst(stage.scale(2_000, 200))
    await stage.accounted(server)
    frozen.signal(signal.SIGCONT)
    late = len(names) - 3
    await until(lambda: len(frozen.logged("outcome_discarded")) >= late, what="late outcomes are void")
    await sender.burst(100)
    await stage.accounted(server)
    assert frozen.deaths == heir.deaths == 0
    attempts = {name: max(note.attempt for note in stage.ledger.notes("alpha", name)) for name in names}
    assert max(attempts.values()) <= 2, f"a late outcome burnt an attempt: {attempts}"
    dead = stage.ledger.report().dead
    assert dead == 3, f"{dead} dead letters of three that were rejected"
    check_takeover(stage.ledger)


@scenario("stuck", "G4: a handler that blocks the event loop keeps its deliveries up to the limit, then goes once")
async def the_event_loop_is_blocked(stage: Stage) -> None:
    server = await stage.valkey()
    ingest = await stage.ingest(server.url)
    stage.ledger.expect("blocking")
    # With a timeout of 2 s a loop counts as dead once it is stuck for 12 s; the liveness key lasts 10 s.
    environ = {"HOOKBUS_WORKER_HANDLER_TIMEOUT_S": "2"}
    first = await stage.worker(server.url, f"{HANDLERS}:blocking", **environ)
    sender = await stage.sender(ingest)
    within = await sender.send(do=[stage.scale(11.0, 3.0)])
    await until(lambda: stage.ledger.notes("blocking", within))
    second = await stage.worker(server.url, f"{HANDLERS}:blocking", **environ)
    await stage.accounted(server)
    notes = stage.ledger.notes("blocking", within)
    assert {note.pid for note in notes} == {first.pid}, f"taken from a worker that lived: {notes}"
    if not stage.is_short:
        beyond = await sender.send(do=[30.0])
        await until(lambda: stage.ledger.notes("blocking", beyond))
        await stage.accounted(server, timeout_s=120)
        began = [note for note in stage.ledger.notes("blocking", beyond) if note.what == "began"]
        stage.ledger.facts["starts beyond the limit"] = str(len(began))
        assert len(began) <= 2 + MAX_ATTEMPTS, f"begun {len(began)} times"
        stuck = [line for kept in (first, second) for line in kept.logged("loop_stalled")]
        assert stuck, "nobody was declared dead"
    assert first.deaths == second.deaths == 0


MAX_ATTEMPTS: Final = 2
"""Of `slow_handlers.blocking`."""


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
    await stage.accounted(server)
    report = stage.ledger.report()
    assert report.dead == 0, f"{report.dead} expired"
    waits = waits_s(stage.ledger)
    assert len({note.pid for name in stage.ledger.accepted for note in stage.ledger.notes("punctual", name)}) == 3
    stage.ledger.facts["retried after"] = f"{min(waits):.2f} to {max(waits):.2f} s"
    assert min(waits) >= 1.0, f"a retry came after {min(waits):.2f} s, a step is 1 s"
    assert max(waits) < 5.0, f"a retry came after {max(waits):.2f} s, a step is 1 to 1.25 s"
    assert not any(worker.deaths for worker in workers)


async def on_a_clock(stage: Stage, server: Valkey, offset: str) -> Kept:
    """A worker whose wall clock is off by some seconds."""
    environ = {"LD_PRELOAD": tools.find("faketime"), "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return await stage.worker(server.url, f"{HANDLERS}:punctual", **environ)


def waits_s(ledger: Ledger) -> Sequence[float]:
    """Seconds between the attempts of each delivery."""
    starts = [[note for note in ledger.notes("punctual", name) if note.what == "began"] for name in ledger.accepted]
    return [later.at_s - sooner.at_s for notes in starts for sooner, later in itertools.pairwise(notes)]


def check_takeover(ledger: Ledger) -> None:
    """What was taken over ran in time. Raises AssertionError."""
    longest_s = ledger.report().max_takeover_s
    assert longest_s is not None, "nothing was taken over"
    assert longest_s < TAKEOVER_S, f"a takeover took {longest_s:.1f} s"
