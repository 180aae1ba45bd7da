"""The checks of the soak, and a soak of seconds."""

import os

import pytest

from hookbus.shared.clock import now_ms
from hookbus.shared.keys import Keys
from tests.chaos import soak
from tests.chaos.harness.bounded_ledger import BoundedLedger
from tests.chaos.harness.flatness import DAY_MS, Minutes, redis_bytes
from tests.chaos.harness.journal import Journal, Writer
from tests.chaos.harness.stage import Stage
from tests.wait import until

KEYS = Keys(0)
BUFFERS_BYTES = 100_000
"""Of the connections, which come and go."""


def minutes_of(*figures: float) -> Minutes:
    minutes = Minutes()
    for figure in figures:
        minutes.add({"x": figure})
        minutes.close()
    return minutes


def test_a_minute_is_the_middle_of_its_samples():
    minutes = Minutes()
    for sample in (10, 11, 500):
        minutes.add({"x": sample})
    assert minutes.close() == {"x": 11}
    assert minutes.close() == {}


@pytest.mark.parametrize(
    ("figures", "warm_up", "spread"), [((100, 100, 105), 0, 0.05), ((50, 100, 104, 102), 1, 2 / 102), ((100,), 1, None)]
)
def test_the_farthest_minute_after_the_warm_up_counts(figures, warm_up, spread):
    spreads = minutes_of(*figures).spreads(warm_up)
    assert spreads == ({} if spread is None else {"x": pytest.approx(spread)})


async def test_redis_is_flat_while_the_dedupe_grows_and_not_while_anything_else_does(client):
    async def measured() -> dict[str, float]:
        return await redis_bytes(client, KEYS)

    empty = (await measured())["redis"]
    digests = [os.urandom(16) for _ in range(20_000)]
    await client.execute_command("SADD", KEYS.seen(now_ms() // DAY_MS), *digests)

    async def is_flat() -> bool:
        grown = await measured()
        return abs(grown["redis"] - empty) < BUFFERS_BYTES < grown["dedupe"] / 5

    await until(is_flat)  # the server frees the buffer of so long a command a moment later
    await client.execute_command("SADD", KEYS.types, *digests)
    assert (await measured())["redis"] > empty + 5 * BUFFERS_BYTES


def test_the_bounded_ledger_forgets_handled_events_and_no_others(tmp_path):
    ledger = BoundedLedger(Journal(tmp_path))
    for group in ("alpha", "beta"):
        ledger.expect(group)
    writer = Writer(tmp_path)
    for name in ("wh_1", "wh_2", "wh_3"):
        ledger.accept(name, "t")
    writer.write("handled", "alpha", "wh_1", 1)
    writer.write("began", "beta", "wh_1", 1)
    assert ledger.missing() == {"alpha": {"wh_2", "wh_3"}, "beta": {"wh_1", "wh_2", "wh_3"}}
    for name in ("wh_1", "wh_2", "wh_4"):
        writer.write("handled", "beta", name, 1)
    ledger.add_dead("alpha", ["wh_2", "wh_9"])
    assert ledger.missing() == {"alpha": {"wh_3"}, "beta": {"wh_3"}}
    ledger.accept("wh_4", "t")  # handled before its answer came
    assert ledger.missing() == {"alpha": {"wh_3", "wh_4"}, "beta": {"wh_3"}}
    writer.write("handled", "beta", "wh_1", 1)
    ledger.accept("wh_4", "t")  # the sender repeats it
    report = ledger.report()
    assert (report.events, report.dead, report.lost, report.duplicates) == (4, 1, 3, 1)


@pytest.mark.timeout(120)
@pytest.mark.needs("ps")
async def test_a_soak_of_seconds_loses_nothing_and_has_a_figure_of_everything(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(soak, "MINUTE_S", 2.0)
    monkeypatch.setattr(soak, "POLL_S", 0.2)
    monkeypatch.setattr(soak, "FAULT_EVERY_S", 1.0)
    async with Stage(tmp_path, 1, is_short=True) as stage:
        run = await soak.set_up(stage)
        await soak.drive(run, 5, 100)
        assert run.ledger.report().lost == 0
        assert run.ledger.report().events > 300
        assert run.faults
        assert set(run.growth(0)) == {"ingest", "worker", "redis"}
        assert all(min(figures) > 0 for name, figures in run.minutes.figures.items() if name != "open")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(run.minutes.figures["redis"]) >= 4  # a busy machine ends the last one late
