"""The steps of one subscription's circuit, as values."""

import pytest

from hookbus import Breaker
from hookbus.worker.duties.circuit import MARGIN_MS, NOTHING, Asked, Circuit, Step, decide
from hookbus.worker.inventory.suspensions import Held, Opened
from hookbus.worker.pipeline.cause import Cause
from hookbus.worker.pipeline.outcome import ACK, SKIP, Park
from tests.worker.builders import TYPE, a_route

NOW = 1_000_000
LEASE_MS = 30_000 + MARGIN_MS
CAUSE = Cause("ValueError", "no", "", "a.py:f")
OPENED = Opened("f", "E", NOW - 10_000, NOW + 5_000)
DUE = Opened("f", "E", NOW - 10_000, NOW)
HELD = Held("Hold: for 5 s", NOW, NOW + 5_000)
AGAIN = Asked(hold_s=60, hold_error="Hold: for 60 s")
SHORT = Asked(hold_s=5.5, hold_error="Hold: for 5.5 s")


async def handle(event: dict) -> None: ...


ROUTE = a_route(handle, breaker=Breaker(failures=2, delay=10, cap=40))


@pytest.mark.parametrize(
    ("stored", "asks", "probe", "step"),
    [
        (None, NOTHING, None, Step(None)),
        (None, Asked(verdict=False), None, Step(None)),
        (OPENED, NOTHING, None, Step(OPENED)),
        (OPENED, Asked(opens_for=(CAUSE, TYPE)), None, Step(OPENED)),
        (OPENED, Asked(verdict=False), None, Step(OPENED)),
        (OPENED, Asked(verdict=True), None, Step(None, "breaker_closed")),
        (OPENED, Asked(verdict=False), OPENED,
         Step(Opened("f", "E", NOW - 10_000, NOW + 20_000, 2), "breaker_stays_open")),
        (DUE, NOTHING, None, Step(Opened("f", "E", NOW - 10_000, NOW + LEASE_MS), "breaker_probing")),
        (None, AGAIN, None, Step(Held("Hold: for 60 s", NOW, NOW + 60_000), "held")),
        (HELD, AGAIN, None, Step(Held("Hold: for 60 s", NOW, NOW + 60_000), "held")),
        (HELD, SHORT, None, Step(HELD)),
        (HELD, NOTHING, None, Step(HELD)),
        (HELD, Asked(verdict=True), None, Step(HELD)),
        (HELD, Asked(opens_for=(CAUSE, TYPE)), None, Step(HELD)),
        (Held("Hold: for 5 s", 1, NOW), NOTHING, None, Step(None, "hold_ended")),
        (OPENED, AGAIN, None, Step(Opened("f", "E", NOW - 10_000, NOW + 60_000), "held")),
        (Opened("f", "E", 1, NOW + LEASE_MS), SHORT, Opened("f", "E", 1, NOW + LEASE_MS),
         Step(Opened("f", "E", 1, NOW + 5_500), "held")),
    ],
    ids=[
        "nothing", "a failure", "open", "opened elsewhere first", "a late failure", "a success", "a failed probe",
        "a probe is due", "a hold", "a longer hold", "a hold that ends a moment later", "held", "a success in a hold",
        "a breaker due in a hold", "the end of a hold", "a hold while open", "a hold of the probe",
    ],
)  # fmt: skip
def test_the_step_that_is_due(stored, asks, probe, step):
    assert decide(stored, asks, probe, ROUTE, NOW) == step


def test_only_an_attempt_that_asks_for_something_wakes_the_duty():
    woken: list[int] = []
    circuit = Circuit(ROUTE, lambda: woken.append(1))
    circuit.observe(ACK, TYPE)
    circuit.observe(Park(1, CAUSE), TYPE)
    assert not woken
    circuit.observe(Park(1, CAUSE), TYPE)
    assert woken
    assert circuit.circuit_gate.places == 0


def test_a_skipped_delivery_is_neither_a_success_nor_a_failure():
    circuit = Circuit(ROUTE, lambda: None)
    circuit.observe(Park(1, CAUSE), TYPE)
    circuit.observe(SKIP, TYPE)
    circuit.observe(Park(1, CAUSE), TYPE)
    assert circuit.circuit_gate.places == 0


def test_what_is_asked_while_a_step_is_written_stays_asked_and_the_gate_closed():
    circuit = Circuit(ROUTE, lambda: None)
    asked = circuit.asked
    circuit.observe(Park(5, CAUSE, is_snooze=True, hold_s=5), TYPE)
    circuit.took(Step(None), asked, NOW)
    assert circuit.asked.hold_s == 5
    assert circuit.circuit_gate.places == 0
