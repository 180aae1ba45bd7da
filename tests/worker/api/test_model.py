import json
import subprocess
import sys
from typing import Any, Generic, Literal, TypeVar

import msgspec
import openai
import pydantic
import pytest
from openai.types import webhooks
from pydantic.dataclasses import dataclass

from hookbus.shared.undecodable import UNDECODABLE
from hookbus.worker.api.annotation import ImpossibleError
from hookbus.worker.api.model import decoder, from_value, is_model
from tests.programs import event_body

TYPE = "response.completed"
BODY = event_body(TYPE)
T = TypeVar("T")


class Data(pydantic.BaseModel):
    id: str

    @pydantic.field_validator("id")
    @classmethod
    def long_enough(cls, value: str) -> str:
        if len(value) < 3:
            raise ValueError("too short")
        return value


class Event(pydantic.BaseModel):
    type: Literal["response.completed"]
    data: Data


class Of(pydantic.BaseModel, Generic[T]):
    data: T


@dataclass
class Checked:
    data: Data


class Validating:
    """No pydantic: anything with this method will do."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    @classmethod
    def model_validate_json(cls, body: bytes) -> "Validating":
        if not body.startswith(b"{"):
            raise ValueError("not an object")
        return cls(body)


class Unresolved(pydantic.BaseModel):
    data: "NobodyKnowsMe"  # type: ignore[name-defined] # noqa: F821


def problem_of(cls, body: bytes, event_type: str = TYPE) -> str:
    with pytest.raises(UNDECODABLE) as caught:
        decoder(cls, event_type)(body)
    return str(caught.value)


@pytest.mark.parametrize(
    ("cls", "found"),
    [
        (Event, Event(type=TYPE, data=Data(id="resp_1"))),
        (Of[Data], Of[Data](data=Data(id="resp_1"))),
        (Checked, Checked(data=Data(id="resp_1"))),
    ],
    ids=str,
)
def test_models_of_every_kind_are_validated(cls, found):
    assert is_model(cls)
    assert decoder(cls, TYPE)(BODY) == found
    assert "too short - at `$.data.id`" in problem_of(cls, event_body(TYPE, id="r"))


def test_anything_with_the_method_will_do():
    assert is_model(Validating)
    assert decoder(Validating, TYPE)(BODY).body == BODY
    assert problem_of(Validating, b"[]") == "not an object"


@pytest.mark.parametrize("other", [dict, bytes, msgspec.Struct, int, T, None, Event(type=TYPE, data=Data(id="abc"))])
def test_nothing_else_is_a_model(other):
    assert not is_model(other)


def test_the_values_of_a_body_are_not_in_the_message():
    body = json.dumps({"type": "secret_1", "data": {"id": ["secret_2"]}, "more": "secret_3"}).encode()
    problem = problem_of(Event, body)
    assert "$.type" in problem
    assert "Input should be a valid string - at `$.data.id`" in problem
    assert "secret" not in problem
    assert "secret" not in problem_of(Event, b'{"type": "secret')


def test_a_message_names_the_first_problems_alone():
    problem = problem_of(Of[list[int]], json.dumps({"data": ["x"] * 1000}).encode())
    assert problem.count("valid integer") == 5
    assert problem.endswith("; 995 more")


def test_an_incomplete_model_is_impossible():
    with pytest.raises(ImpossibleError, match=r"^pydantic can't decode into Unresolved: .*NobodyKnowsMe"):
        decoder(Unresolved, TYPE)


class OfInstances:
    def model_validate_json(self, body): ...


class Async:
    @classmethod
    async def model_validate_json(cls, body): ...


class Listed(pydantic.RootModel[list[int] | str | None]): ...


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (OfInstances, "can't decode an event into OfInstances: its model_validate_json must be a classmethod"),
        (Async, "can't decode an event into Async: its model_validate_json must not be async"),
        (pydantic.BaseModel, "can't decode an event into BaseModel: it has no fields; write a class of your own"),
        (pydantic.RootModel[list], "can't decode an event into RootModel[list]: an event is a JSON object"),
        (Listed, "can't decode an event into Listed: an event is a JSON object"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_model_that_fits_no_event_is_impossible(cls, message):
    with pytest.raises(ImpossibleError) as caught:
        decoder(cls, TYPE)
    assert str(caught.value).startswith(message)


def test_a_root_model_of_an_object_is_one():
    assert decoder(pydantic.RootModel[dict[str, Any]], TYPE)(BODY).root["type"] == TYPE
    assert decoder(pydantic.RootModel[list | dict], TYPE)(BODY).root["type"] == TYPE


def test_a_field_of_a_model_is_validated_too():
    assert from_value(Data, {"id": "resp_1"}) == Data(id="resp_1")
    assert from_value(Checked, {"data": {"id": "resp_1"}}) == Checked(data=Data(id="resp_1"))
    with pytest.raises(ValueError, match=r"^`id`: .*too short$"):
        from_value(Data, {"id": "r"})


@pytest.mark.parametrize("kind", ["new value", "no object"])
def test_a_model_of_the_sdk_is_constructed_as_the_sdk_does_where_hookbus_knows_better(kind):
    body = {"id": "evt_1", "created_at": 1, "object": "event", "type": TYPE, "data": {"id": "resp_1", "more": [1]}}
    body |= {"object": "occurrence"} if kind == "new value" else {}
    cls = webhooks.ResponseCompletedWebhookEvent
    if kind == "no object":
        cls, body["type"] = webhooks.AgentSessionIdleWebhookEvent, "agent.session.idle"
        body["data"]["environment_type"] = "hosted"
        del body["object"]
    encoded = json.dumps(body).encode()
    event = decoder(cls, body["type"])(encoded)
    assert type(event) is cls
    assert type(event.data) is cls.model_fields["data"].annotation
    assert event.data.id == "resp_1"
    assert event.to_dict() == body


def test_a_model_of_the_sdk_without_what_its_data_must_have_is_undecodable():
    cls = webhooks.ResponseCompletedWebhookEvent
    body = {"id": "evt_1", "created_at": 1, "object": "event", "type": TYPE, "data": {}}
    assert problem_of(cls, json.dumps(body).encode()) == "Field required - at `$.data.id`"
    assert "$.object" in problem_of(cls, json.dumps(body | {"object": 5}).encode(), "unknown.to.hookbus")


def test_each_event_of_the_sdk_is_decoded():
    classes = [cls for cls in vars(webhooks).values() if isinstance(cls, type) and issubclass(cls, openai.BaseModel)]
    events = [cls for cls in classes if {"type", "data"} <= cls.model_fields.keys()]
    assert len(events) > 30
    for cls in events:
        decoder(cls, TYPE)


def test_nobody_imports_pydantic_but_the_user():
    check = "import sys; import hookbus.worker.pipeline.routes; assert not {'pydantic', 'openai'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)
