"""Each behaviour of a handler ends in a Bus as in a worker."""

import time

import pytest

from hookbus.testing import Bus, Outcome, Stack
from tests.programs import ROOT
from tests.worker.testing.behaviours import EVENTS, app

KINDS = {"handled": "is_handled", "parked": "is_retried", "snoozed": "is_snoozed", "dead_letter": "is_dead"}


async def in_a_bus(event_type: str, event: dict) -> Outcome:
    async with Bus(app) as bus:
        return await bus.deliver(event_type, event)


@pytest.mark.timeout(120)
async def test_each_behaviour_ends_in_a_bus_as_in_a_worker():
    old = ("realtime.call.incoming", {"data": {"call_id": "a", "sip_headers": []}, "created_at": int(time.time()) - 60})
    with Stack("tests.worker.testing.behaviours:app", cwd=ROOT) as stack:
        sent = {name: stack.send(*event) for name, event in (EVENTS | {"is old": old}).items()}
        lines = {name: stack.wait_for(*KINDS, webhook_id=webhook_id) for name, webhook_id in sent.items()}
    for name, event in (EVENTS | {"is old": old}).items():
        outcome, line = await in_a_bus(*event), lines[name]
        assert getattr(outcome, KINDS[line["event"]]), (name, outcome, line)
        assert outcome.reason == line.get("reason", ""), name
        assert outcome.delivery.attempt == line["attempt"], name
        if outcome.reason != "expired":  # whose text tells the age
            assert outcome.error == line.get("error", ""), name
        assert outcome.wait_s == pytest.approx(line.get("wait_s", 0), rel=0.25), name
