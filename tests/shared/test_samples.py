import json
from pathlib import Path

import pytest

from hookbus.events import BY_TYPE, UnknownEvent
from hookbus.shared import clock
from hookbus.shared.samples import event_body, samples
from hookbus.shared.type_place import head_reader
from tests.shared.decoded import decode

DOCUMENTED = json.loads((Path(__file__).parents[1] / "data" / "openai_events.json").read_text())


def test_the_samples_are_the_documented_examples_of_every_known_type():
    assert samples() == {event["type"]: event["example"] for event in DOCUMENTED}
    assert set(samples()) == set(BY_TYPE)


@pytest.mark.parametrize("event_type", sorted(BY_TYPE))
def test_a_sample_is_fresh_and_decodes_as_its_type(event_type):
    event, other = (decode(event_body(event_type)) for _ in range(2))
    assert isinstance(event, BY_TYPE[event_type])
    assert event.id.startswith("evt_")
    assert event.id != other.id
    assert abs(event.created_at - clock.now_s()) < 60
    assert event.data == other.data


def test_an_unknown_type_gets_a_generic_body():
    event = json.loads(event_body("new.thing"))
    assert list(event) == ["object", "type", "data", "id", "created_at"]
    assert isinstance(decode(event_body("new.thing")), UnknownEvent)
    assert event["data"]["id"]


@pytest.mark.parametrize("type_at", ["type", "object.type", "id.x.y", "created_at.type", "data.id.type", "type.name"])
@pytest.mark.parametrize("event_type", ["response.completed", "new.thing"])
def test_a_body_names_its_type_wherever_the_source_has_it(event_type, type_at):
    assert head_reader(type_at)(event_body(event_type, type_at=type_at)).type == event_type


def test_a_field_of_something_that_is_no_object_is_refused():
    with pytest.raises(ValueError, match="'id' is no object"):
        event_body("response.completed", {"id.x": 1})
