import dataclasses
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Generic, NamedTuple, NotRequired, Optional, TypedDict, TypeVar

import attrs
import msgspec
import pydantic
import pytest

from hookbus.shared.undecodable import UNDECODABLE
from hookbus.worker.api.annotation import ImpossibleError
from hookbus.worker.api.own_class import own_decoder

TYPE = "response.completed"
BODY = b'{"id": "evt_1", "type": "response.completed", "data": {"id": "resp_1", "more": 1}}'
T = TypeVar("T")


class StructData(msgspec.Struct):
    id: str


class Struct(msgspec.Struct):
    data: StructData


@dataclass(frozen=True, slots=True, kw_only=True)
class DataData:
    id: str


@dataclass
class Data:
    data: DataData
    seen: ClassVar[int] = 0
    note: str = "none"


class DictData(TypedDict):
    id: str


class Dict(TypedDict):
    data: DictData
    note: NotRequired[str]


class Model(pydantic.BaseModel):
    id: str


@dataclass
class WithModel:
    data: Model


@dataclass
class Of(Generic[T]):
    data: T


@dataclass
class WithObject:
    data: object


class DictOf(TypedDict, Generic[T]):
    data: T


@attrs.define
class Attrs:
    data: DictData


@dataclass
class Recursive:
    data: DictData
    parent: Optional["Recursive"] = None


@pytest.mark.parametrize(
    ("cls", "found"),
    [
        (Struct, Struct(StructData("resp_1"))),
        (Data, Data(DataData(id="resp_1"))),
        (Dict, {"data": {"id": "resp_1"}}),
        (Attrs, Attrs({"id": "resp_1"})),
        (WithModel, WithModel(Model(id="resp_1"))),
        (WithObject, WithObject({"id": "resp_1", "more": 1})),
        (Of[DictData], Of({"id": "resp_1"})),
        (Of[Model], Of(Model(id="resp_1"))),
        (DictOf[DataData], {"data": DataData(id="resp_1")}),
        (Recursive, Recursive({"id": "resp_1"})),
    ],
    ids=str,
)
def test_a_class_of_each_kind_is_filled_and_ignores_other_fields(cls, found):
    assert own_decoder(cls, TYPE)(BODY) == found


@pytest.mark.parametrize(
    "body", [b"[]", b"{}", b'{"data": {}}', b'{"data": {"id": 5}}', b'{"data": null}', b"\xff", b""]
)
@pytest.mark.parametrize("cls", [Struct, Data, Dict, WithModel, Of[Model], Of[DictData]], ids=str)
def test_a_body_that_does_not_fit_is_undecodable(cls, body):
    with pytest.raises(UNDECODABLE):
        own_decoder(cls, TYPE)(body)


def test_the_place_of_a_problem_in_a_model_inside_is_told_and_its_value_is_not():
    with pytest.raises(msgspec.ValidationError) as caught:
        own_decoder(WithModel, TYPE)(b'{"data": {"id": ["secret"]}}')
    assert str(caught.value) == "`id`: Input should be a valid string - at `$.data`"


class Positional(NamedTuple):
    type: str


class Kind(Enum):
    A = 1


class Plain: ...


class Listed(msgspec.Struct, array_like=True):
    type: str


class HasPlain(msgspec.Struct):
    data: Plain


@dataclass
class HasPlainDeeper:
    data: list[Of[Plain] | None]


@dataclass
class HasInitVar:
    data: dict
    session: dataclasses.InitVar[int]


@dataclass
class Unresolved:
    data: "NobodyKnowsMe"  # type: ignore[name-defined] # noqa: F821


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (Positional, "can't decode an event into Positional: annotate with"),
        (Listed, "can't decode an event into Listed: annotate with"),
        (Kind, "can't decode an event into Kind: annotate with"),
        (Plain, "can't decode an event into Plain: annotate with"),
        (T, "can't decode an event into T: annotate with"),
        (HasPlain, "can't decode JSON into Plain, of which HasPlain has a field"),
        (HasPlainDeeper, "can't decode JSON into Plain, of which HasPlainDeeper has a field"),
        (HasInitVar, "msgspec can't decode into HasInitVar: dataclasses with `InitVar`"),
        (Unresolved, "msgspec can't decode into Unresolved: name 'NobodyKnowsMe' is not defined"),
    ],
    ids=lambda value: str(getattr(value, "__name__", value))[:20],
)
def test_a_class_that_no_event_can_fill_is_impossible(cls, message):
    with pytest.raises(ImpossibleError) as caught:
        own_decoder(cls, TYPE)
    assert str(caught.value).startswith(message)
