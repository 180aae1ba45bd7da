import dataclasses
import json

import msgspec
import pytest

from hookbus.shared.samples import samples
from hookbus.testing import sample
from hookbus.worker.testing.body import body_of

TYPE = "response.completed"
EVENT = {"id": "evt_1", "data": {"id": "resp_1"}}


class Struct(msgspec.Struct):
    id: str
    data: dict


@dataclasses.dataclass
class Data:
    id: str
    data: dict


class Model:
    """As a pydantic model."""

    def model_dump(self, *, mode):
        assert mode == "json"
        return EVENT


@pytest.mark.parametrize(
    "event", [EVENT, EVENT | {"type": TYPE}, Struct("evt_1", EVENT["data"]), Data("evt_1", EVENT["data"]), Model()]
)
def test_every_kind_of_event_becomes_its_json_with_the_type(event):
    assert json.loads(body_of(TYPE, event)) == EVENT | {"type": TYPE}
    assert "type" not in EVENT, "what was passed is unchanged"


def test_a_sample_keeps_all_its_fields():
    body = json.loads(body_of(TYPE, sample(TYPE, id="resp_1")))
    assert body == samples()[TYPE] | {"data": {"id": "resp_1"}}


def test_without_an_event_it_is_the_example_of_the_type():
    assert json.loads(body_of(TYPE, None)) == samples()[TYPE]


def test_bytes_are_the_body():
    assert body_of(TYPE, b"not json") == b"not json"


def test_the_type_of_the_sender_may_lack_the_prefix_of_the_source():
    assert json.loads(body_of("partner.order.paid", {"type": "order.paid"})) == {"type": "order.paid"}


@pytest.mark.parametrize(
    ("event_type", "event", "message"),
    [
        (TYPE, {"type": "response.failed"}, "is a 'response.failed', and would never arrive as 'response.completed'"),
        (TYPE, sample("response.failed"), "would never arrive as"),
        ("order.paid", None, "'order.paid' has no example"),
        ("response.complete", None, "did you mean response.completed\\?"),
        (TYPE, "{}", "JSON object, not str: to deliver anything else, pass bytes"),
        (TYPE, [1], "JSON object, not list"),
        (TYPE, object(), "object can't be written as JSON"),
        (TYPE, {"x": object()}, "can't be written as JSON"),
    ],
)
def test_what_is_no_event_of_the_type_is_refused(event_type, event, message):
    with pytest.raises(ValueError, match=message):
        body_of(event_type, event)
