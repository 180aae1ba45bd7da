import dataclasses
from datetime import UTC, datetime

import msgspec
import pytest

from hookbus.events import BY_TYPE, Envelope, RealtimeCallIncoming, ResponseCompleted
from hookbus.shared import samples
from hookbus.testing import sample


@pytest.mark.parametrize("event_type", sorted(BY_TYPE))
def test_a_sample_is_the_documented_example_as_the_struct_of_its_type(event_type):
    event = sample(event_type)
    example = samples.samples()[event_type]
    assert type(event) is BY_TYPE[event_type]
    assert (event.id, event.created_at) == (example["id"], example["created_at"])
    assert sample(BY_TYPE[event_type]) == event


def test_fields_are_those_of_data_and_the_envelope_has_names_of_its_own():
    event = sample(ResponseCompleted, id="resp_1", event_id="evt_1", created_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert (event.data.id, event.id, event.created_at) == ("resp_1", "evt_1", 1_767_225_600)
    assert sample("response.completed", created_at=5).created_at == 5
    assert sample("response.completed").data.id == "resp_abc123", "the example itself is unchanged"


def test_a_field_further_in_is_set_by_a_mapping_or_a_dotted_name():
    by_mapping = sample("agent.session.action_required", required_action={"type": "other"})
    by_name = sample("agent.session.action_required", **{"required_action.type": "other"})
    assert by_mapping == by_name
    assert by_name.data.required_action.type == "other"
    assert by_name.data.id == sample("agent.session.action_required").data.id


def test_a_field_that_the_example_lacks_can_be_set_and_a_list_is_replaced_whole():
    call = sample(RealtimeCallIncoming, sip_headers=[{"name": "From", "value": "sip:a@b"}])
    assert [(header.name, header.value) for header in call.data.sip_headers] == [("From", "sip:a@b")]
    blocked = sample("safety_identifier.blocked", model="gpt-x")
    assert blocked.data.model == "gpt-x"
    started = sample("agent.session.created", connect={"remote_url": "wss://x"})
    assert started.data.connect.remote_url == "wss://x"


@pytest.mark.parametrize(
    ("event", "fields", "message"),
    [
        ("response.complted", {}, "did you mean response.completed\\?"),
        ("xyzzy", {}, "no event type that OpenAI documents$"),
        (Envelope, {}, "expected an event type or a class of hookbus.events"),
        (dict, {}, "expected an event type or a class"),
        (None, {}, "expected an event type or a class"),
        ("realtime.call.incoming", {"call_ID": "x"}, "RealtimeCall has no field 'call_ID'; did you mean call_id\\?"),
        ("response.completed", {"usage": {}}, "Resource has no field 'usage'; its fields are id"),
        ("response.completed", {"id": {"x": 1}}, "there are no fields for 'x' to name"),
        (
            "agent.session.created",
            {"connect": {"url": "x"}},
            "has no field 'url'; its fields are remote_url",
        ),
        ("response.completed", {"id": 7}, r"Expected `str`, got `int` - at `\$.data.id`"),
        ("response.completed", {"id": object()}, "object is unsupported"),
    ],
)
def test_what_the_event_cannot_have_is_refused_with_the_nearest_name(event, fields, message):
    with pytest.raises(ValueError, match=message):
        sample(event, **fields)


def test_a_sample_can_be_written_and_read_back():
    event = sample("live.call.incoming")
    assert msgspec.json.decode(msgspec.json.encode(event), type=type(event)) == event
    assert not dataclasses.is_dataclass(event)
