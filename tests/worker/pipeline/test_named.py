import pytest

from hookbus.worker.pipeline.named import named
from tests.worker.builders import GROUP, TYPE, a_delivery

TRACE = "0af7651916cd43dd8448eb211c80319c"
FIELDS = {"webhook_id": "wh_1", "type": TYPE, "source": "openai", "group": GROUP, "attempt": 1}


@pytest.mark.parametrize(("traceparent", "more"), [("", {}), (f"00-{TRACE}-b7ad6b7169203331-01", {"trace_id": TRACE})])
def test_a_line_names_the_delivery_and_its_trace_if_it_has_one(traceparent, more):
    assert named(a_delivery(traceparent=traceparent)) == FIELDS | more
