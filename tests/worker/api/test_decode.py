import json
from dataclasses import dataclass
from typing import Any, Literal, NewType, TypedDict, Union

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.webhooks import BatchFailedWebhookEvent, ResponseCompletedWebhookEvent, UnwrapWebhookEvent

from hookbus import Delivery
from hookbus.events import BY_TYPE, BatchCompleted, Envelope, Event, KnownEvent, ResponseCompleted, UnknownEvent
from hookbus.shared import keys
from hookbus.shared.undecodable import UNDECODABLE
from hookbus.worker.api.annotation import ImpossibleError
from hookbus.worker.api.decode import decoder_for
from tests.programs import event_body

TYPE = "response.completed"
BODY = event_body(TYPE)


class Data(msgspec.Struct):
    id: str


class Mine(msgspec.Struct):
    type: str
    data: Data


class Unresolved(msgspec.Struct):
    data: "NobodyKnowsMe"  # type: ignore[name-defined] # noqa: F821


class Clash(msgspec.Struct):
    data: Data | Mine


class Done(msgspec.Struct, tag_field="type", tag="response.completed"):
    data: Data


@dataclass
class Failed:
    type: Literal["response.failed", "batch.failed"]
    data: Data


class Paid(pydantic.BaseModel):
    type: Literal["order.paid"]


class Short(msgspec.Struct, tag_field="type", tag="completed"): ...


class Refunded(TypedDict):
    type: Literal["order.refunded"]


Renamed = NewType("Renamed", Mine)


class Explosive(msgspec.Struct):
    type: str

    def __post_init__(self) -> None:
        raise KeyError("handlers' own code")


def decoded(annotation: Any, event_type: str = TYPE, body: bytes | None = None) -> Any:
    return decoder_for(annotation, event_type)(event_body(event_type) if body is None else body)


def test_bytes_are_the_exact_body():
    body = b' {"b": 1,   "a": 2}\n\xff'
    assert decoded(bytes, body=body) == body
    assert type(decoded(bytes, body=body)) is bytes


@pytest.mark.parametrize("annotation", [dict, dict[str, Any]], ids=str)
def test_dict_is_the_plain_json(annotation):
    assert decoded(annotation) == json.loads(BODY)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b'{"a": "\\ud800"}', {"a": "\ud800"}),
        (b'{"a": Infinity}', {"a": float("inf")}),
        (b'{"a": 1e999}', {"a": float("inf")}),
    ],
)
def test_a_dict_holds_bodies_that_only_lenient_readers_accept_and_a_struct_does_not(body, found):
    assert decoded(dict, body=body) == decoded(dict[str, Any], body=body) == found
    for annotation in (ResponseCompleted, Mine, Event):
        with pytest.raises(UNDECODABLE):
            decoded(annotation, body=body)


@pytest.mark.parametrize("body", [b"[NaN]", b'{"a": "\\ud800"}', b'{"a": ' + b"[" * 9_000])
def test_a_body_that_no_dict_can_hold_is_undecodable(body):
    with pytest.raises(UNDECODABLE):
        decoded(dict[str, int], body=body)


def test_a_struct_of_the_users_own_is_filled_and_may_ignore_fields():
    assert decoded(Mine) == Mine(TYPE, Data("resp_1"))


@pytest.mark.parametrize(
    "annotation",
    [
        ResponseCompleted,
        Event,
        KnownEvent,
        ResponseCompleted | BatchCompleted,
        Union[ResponseCompleted, BatchCompleted],  # noqa: UP007
        ResponseCompleted | UnknownEvent,
    ],
    ids=["struct", "Event", "KnownEvent", "part", "typing.Union", "with unknown"],
)
def test_a_known_type_becomes_its_class_anywhere_in_the_annotation(annotation):
    event = decoded(annotation)
    assert type(event) is ResponseCompleted
    assert event.data.id == "resp_1"


@pytest.mark.parametrize("annotation", [Event, UnknownEvent, ResponseCompleted | UnknownEvent])
def test_an_unknown_type_becomes_an_unknown_event(annotation):
    event = decoded(annotation, "made.up.tomorrow")
    assert type(event) is UnknownEvent
    assert (event.type, event.data) == ("made.up.tomorrow", {"id": "resp_1"})


def test_an_unknown_event_annotation_on_a_known_type_gives_an_unknown_event():
    event = decoded(UnknownEvent)
    assert type(event) is UnknownEvent
    assert event.type == TYPE


def test_types_outside_a_union_become_unknown_events():
    assert type(decoded(BatchCompleted | UnknownEvent)) is UnknownEvent


def test_an_event_without_a_usable_type_reaches_all_annotations_but_structs():
    assert decoded(dict, keys.UNTYPED, b'{"a": 1}') == {"a": 1}
    assert decoded(bytes, keys.UNTYPED, b"\xff") == b"\xff"
    for body in (b'{"type": "not a name!"}', b'{"a": 1}', b'{"type": "response.completed"}'):
        assert decoded(Event, keys.UNTYPED, body).type == keys.UNTYPED
    with pytest.raises(UNDECODABLE):
        decoded(Event, keys.UNTYPED, b"[]")


@pytest.mark.parametrize("annotation", [Event, UnknownEvent, ResponseCompleted | UnknownEvent])
def test_openais_classes_never_meet_a_body_of_another_sender(annotation):
    assert type(decoded(annotation, f"partner.{TYPE}", BODY)) is UnknownEvent
    assert type(decoded(annotation, keys.UNTYPED, BODY)) is UnknownEvent
    with pytest.raises(ImpossibleError, match="partner"):
        decoded(ResponseCompleted, f"partner.{TYPE}", BODY)


def test_a_body_of_another_type_than_its_stream_is_undecodable_not_another_class():
    for annotation in (ResponseCompleted, Event):
        with pytest.raises(UNDECODABLE):
            decoded(annotation, body=event_body("batch.completed"))


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (str, "can't decode an event into str: annotate with an event struct, Event, UnknownEvent,"),
        (list, "can't decode an event into list"),
        (None, "can't decode an event into None"),
        (Envelope, "can't decode an event into Envelope"),
        ([ResponseCompleted], "[<class 'hookbus.shared.events.ResponseCompleted'>] is no type; write the class alone"),
        ({"id": str}, "{'id': <class 'str'>} is no type"),
        (Literal[["x"]], "typing.Literal[['x']] is no type"),
        (Delivery, "its first parameter is the event, and the Delivery the second: write (event, delivery)"),
        (Delivery[dict], "its first parameter is the event"),
        (Delivery | UnknownEvent, "its first parameter is the event"),
        (bytes | ResponseCompleted, "bytes must stand alone, not in a union"),
        (dict[str, int] | Event, "dict must stand alone, not in a union"),
        (Mine | ResponseCompleted, "a union of events can't hold Mine"),
        (Mine | Data, 'a union of events can\'t hold Mine, which has no type: Literal["…"] to be chosen by'),
        (Done | ResponseCompleted, "Done and ResponseCompleted both cover response.completed"),
        (Failed, "Failed covers batch.failed, response.failed, but the pattern matches response.completed too"),
        (Failed | BatchCompleted, "Failed | BatchCompleted covers batch.completed, batch.failed, response.failed, but"),
        (
            Failed | Paid | Refunded | BatchCompleted,
            "Failed | Paid | Refunded | … covers batch.completed, batch.failed",
        ),
        (Short | Paid, "Short | Paid covers completed, order.paid, but the pattern matches response.completed too"),
        (BatchFailedWebhookEvent, "BatchFailedWebhookEvent covers batch.failed, but the pattern matches"),
        (BatchCompleted, "BatchCompleted covers batch.completed, but the pattern matches response.completed too"),
        (Unresolved, "msgspec can't decode into Unresolved: name 'NobodyKnowsMe' is not defined"),
        (Clash, "msgspec can't decode into Clash: "),
    ],
    ids=str,
)
def test_an_annotation_that_no_body_can_be_decoded_into_is_impossible_with_a_reason(annotation, message):
    with pytest.raises(ImpossibleError) as caught:
        decoder_for(annotation, TYPE)
    assert str(caught.value).startswith(message)


def test_a_union_of_known_events_cannot_hold_a_future_type():
    with pytest.raises(
        ImpossibleError, match=r"^Event covers .*, but the pattern matches made.up.tomorrow too; a union"
    ):
        decoder_for(KnownEvent, "made.up.tomorrow")


def test_a_class_behind_a_name_of_its_own_is_filled():
    assert decoded(Renamed) == Mine(TYPE, Data("resp_1"))
    assert decoded(NewType("Bytes", bytes)) == BODY
    assert decoded(NewType("Plain", dict)) == json.loads(BODY)


def test_a_union_of_classes_that_say_their_types_gives_the_class_of_the_type():
    for annotation in (Done | Failed, Done | Failed | Paid, Done | BatchCompleted, Done | UnknownEvent):
        assert decoded(annotation) == Done(Data("resp_1"))
    assert decoded(Done | Failed, "batch.failed") == Failed("batch.failed", Data("resp_1"))
    assert type(decoded(Done | BatchCompleted, "batch.completed")) is BatchCompleted
    assert type(decoded(Done | Failed | UnknownEvent, "batch.completed")) is UnknownEvent


def test_of_another_sender_the_type_in_the_body_lacks_the_prefix_of_its_source():
    paid, refunded = b'{"type": "order.paid"}', b'{"type": "order.refunded"}'
    assert decoded(Paid | Refunded, "shop.order.paid", paid) == Paid(type="order.paid")
    assert decoded(Paid | Refunded, "shop.order.refunded", refunded) == {"type": "order.refunded"}
    assert decoded(Paid, "shop.order.paid", paid) == Paid(type="order.paid")
    for annotation in (Paid, Paid | Refunded):
        with pytest.raises(UNDECODABLE):
            decoded(annotation, "shop.order.paid", refunded)


def test_the_events_of_openai_never_come_from_another_sender():
    with pytest.raises(ImpossibleError, match=r"pattern matches shop\.batch\.completed too"):
        decoder_for(Paid | BatchCompleted, "shop.batch.completed")


def test_the_union_of_the_sdk_gives_its_model_of_each_type():
    event = decoded(UnwrapWebhookEvent)
    assert type(event) is ResponseCompletedWebhookEvent
    assert event.data.id == "resp_1"
    assert type(decoded(UnwrapWebhookEvent | UnknownEvent, "made.up.tomorrow")) is UnknownEvent


ANNOTATIONS = [dict, Mine, Event, UnknownEvent, ResponseCompleted, bytes, ResponseCompleted | BatchCompleted]
ANNOTATIONS += [Done | Failed, Paid | Refunded, UnwrapWebhookEvent]
nearly = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
bodies = (
    st.binary()
    | nearly.map(lambda value: json.dumps(value).encode())
    | nearly.map(lambda value: json.dumps({"type": TYPE, "id": "e", "created_at": 1, "data": value}).encode())
    | st.integers(1, 200_000).map(lambda depth: b'{"type":"response.completed","data":' + b"[" * depth)
    | st.binary().map(lambda tail: BODY[:-1] + tail)
)


@given(st.sampled_from(ANNOTATIONS), st.sampled_from([TYPE, "made.up", keys.UNTYPED]), bodies)
def test_any_bytes_raise_undecodable_or_give_the_right_class(annotation, event_type, body):
    try:
        decode = decoder_for(annotation, event_type)
    except ImpossibleError:
        return
    try:
        event = decode(body)
    except UNDECODABLE:
        return
    if isinstance(event, Envelope):
        assert type(event) is BY_TYPE[event_type]
    else:
        assert type(event) in (dict, bytes, Mine, UnknownEvent, Done, ResponseCompletedWebhookEvent)
