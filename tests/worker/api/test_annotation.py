import re
from dataclasses import dataclass
from typing import Annotated, Generic, Literal, NewType, TypedDict, TypeVar

import msgspec
import pydantic
import pytest
import typing_extensions

from hookbus.events import BatchCompleted, Envelope, Event, ResponseCompleted, UnknownEvent
from hookbus.worker.api.annotation import ImpossibleError, classes_of, types_of

T = TypeVar("T")
Renamed = NewType("Renamed", ResponseCompleted)
Alias = typing_extensions.TypeAliasType("Alias", Annotated[Renamed | UnknownEvent, "kept out"])
Other = typing_extensions.TypeAliasType("Other", T | UnknownEvent, type_params=(T,))
Same = typing_extensions.TypeAliasType("Same", T, type_params=(T,))
Bound = TypeVar("Bound", bound=Alias)


@pytest.mark.parametrize(
    ("annotation", "classes"),
    [
        (dict, (dict,)),
        (Renamed, (ResponseCompleted,)),
        (Annotated[Renamed, 1], (ResponseCompleted,)),
        (Alias, (ResponseCompleted, UnknownEvent)),
        (Alias | BatchCompleted, (ResponseCompleted, UnknownEvent, BatchCompleted)),
        (Other[BatchCompleted], (BatchCompleted, UnknownEvent)),
        (Same[Same[Alias]], (ResponseCompleted, UnknownEvent)),
        (Bound, (ResponseCompleted, UnknownEvent)),
        (T, (T,)),
    ],
    ids=str,
)
def test_aliases_of_every_kind_stand_for_their_classes(annotation, classes):
    assert classes_of(annotation) == classes


LAZY = """
type Twice = Twice | int
type One = Another
type Another = One
type Unknown = NobodyKnowsMe
type Failing = 1 / 0
"""
"""Aliases that Python evaluates only when they are asked for."""


@pytest.mark.needs("python-3.12")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Twice", "Twice stands for itself"),
        ("One", "One stands for itself"),
        ("Unknown", "Unknown can't be read: name 'NobodyKnowsMe' is not defined; import or define it at the top"),
        ("Failing", "Failing can't be read: division by zero"),
    ],
)
def test_an_alias_that_stands_for_nothing_is_told_so(name, message):
    names: dict = {}
    exec(LAZY, names)
    with pytest.raises(ImpossibleError, match=re.escape(message)):
        classes_of(names[name])


class Tagged(msgspec.Struct, tag_field="type", tag="order.paid"): ...


class Literally(msgspec.Struct):
    type: Literal["order.paid", "order.refunded"]


@dataclass
class OfData(Generic[T]):
    data: T
    type: Literal["order.paid"] = "order.paid"


class OfDict(TypedDict):
    type: Literal["order.paid"]


class OfModel(pydantic.BaseModel):
    type: Literal["order.paid"]


class Silent(msgspec.Struct):
    type: str


class Unresolved(msgspec.Struct):
    data: "NobodyKnowsMe"  # type: ignore[name-defined] # noqa: F821
    type: Literal["order.paid"]


@pytest.mark.parametrize("cls", [Tagged, OfData, OfData[dict], OfDict, OfModel], ids=str)
def test_a_class_says_its_type_by_a_tag_or_a_literal(cls):
    assert types_of(cls) == ("order.paid",)


def test_it_may_say_several_or_none():
    assert types_of(Literally) == ("order.paid", "order.refunded")
    assert types_of(ResponseCompleted) == ("response.completed",)
    for silent in (Silent, Unresolved, Envelope, UnknownEvent, dict, dict[str, int], int, None, Event):
        assert types_of(silent) == ()
